// One process for each test: the reference.
import { runShim } from './shim.js'

const { exitCode, stdout, stderr } = await runShim(process.argv.slice(2))
process.stdout.write(stdout)
process.stderr.write(stderr)
process.exitCode = exitCode
