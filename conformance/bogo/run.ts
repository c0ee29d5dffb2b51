// Runs BoGo against a checkout of BoringSSL. See README.md.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, availableParallelism, platform } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Outcome, reportOf } from './report.js'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const SOURCE = join(ROOT, 'conformance', 'bogo')
const BUILD = join(ROOT, 'build', 'bogo')

const USAGE = `usage: npm run bogo -- <checkout of BoringSSL> [options]

  --only <which>   tls13 or dtls13; both by default
  --core           the core alone: neither optional extensions nor BoringSSL's own features
  --reference      one process for each test, in place of one for all
  --test <globs>   these tests, with ; between them
  --loose          any error will do where one is expected (the alerts are checked all the same)
  --workers <n>    how many tests run at once; as many as there are processors
  --runner <file>  a runner that is compiled already
  --write          write the result to conformance/bogo/results.md`

const { values: options, positionals } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    core: { type: 'boolean', default: false },
    reference: { type: 'boolean', default: false },
    test: { type: 'string' },
    loose: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(availableParallelism()) },
    runner: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
const [checkout] = positionals
const folder = join(resolve(process.env.INIT_CWD ?? '.', checkout ?? ''), 'ssl', 'test', 'runner')
if (!checkout || !existsSync(folder)) {
  process.stderr.write(`${checkout ? `There is no ${folder}.` : 'Where is BoringSSL?'}\n\n${USAGE}\n`)
  process.exit(2)
}

mkdirSync(BUILD, { recursive: true })
const suites = ['tls13', 'dtls13']
  .filter(protocol => (options.only ?? protocol) === protocol)
  .map(protocol => ({
    title: protocol === 'tls13' ? 'TLS 1.3' : 'DTLS 1.3',
    names: listed(`${protocol}${options.core ? '-core' : ''}`),
    core: listed(`${protocol}-core`),
  }))
const started = Date.now()
const code = await run(options.runner ?? compiled())
const outcome = readOutcome()
const reports = suites.map(({ title, names, core }) => ({
  title,
  report: reportOf(names, outcome, disabledTests()),
  core: reportOf(core, outcome, disabledTests()).summary,
}))
for (const { title, report } of reports) process.stdout.write(`\n${title}: ${report.summary}`)
process.stdout.write('\n')
if (options.write) writeFileSync(join(SOURCE, 'results.md'), resultsPage())
process.exit(code)

/** The names of the tests in a list. */
function listed(list: string): readonly string[] {
  return readFileSync(join(SOURCE, 'tests', `${list}.txt`), 'utf8')
    .split('\n')
    .filter(Boolean)
}

/** The runner, compiled unless it was before. */
function compiled(): string {
  const file = join(BUILD, `runner-${revision()}`)
  if (existsSync(file)) return file
  process.stderr.write('Compiling the runner …\n')
  const { status, error } = spawnSync('go', ['test', '-c', '-o', file, '.'], { cwd: folder, stdio: 'inherit' })
  if (error) throw new Error(`go cannot be started: ${error.message}`)
  if (status !== 0) process.exit(1)
  return file
}

function revision(): string {
  const { stdout } = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: folder, encoding: 'utf8' })
  return stdout?.trim() || 'unknown'
}

async function run(runner: string): Promise<number> {
  const daemon = options.reference ? undefined : await startDaemon()
  const tests = spawn(
    runner,
    [
      '-shim-path',
      join(SOURCE, options.reference ? 'reference.sh' : 'launch.sh'),
      '-shim-config',
      join(SOURCE, 'config.json'),
      '-num-workers',
      options.workers,
      '-json-output',
      join(BUILD, 'outcome.json'),
      '-test',
      options.test ?? suites.flatMap(({ names }) => names).join(';'),
      ...(options.loose ? ['-loose-errors'] : []),
    ],
    { cwd: folder, stdio: 'inherit', env: { ...process.env, BOGO_DAEMON_PORT: daemon?.port ?? '' } },
  )
  const [status] = await once(tests, 'exit')
  daemon?.process.kill()
  return status ?? 1
}

async function startDaemon(): Promise<{ readonly process: ChildProcess; readonly port: string }> {
  const daemon = spawn(process.execPath, [join(ROOT, 'build', 'conformance', 'bogo', 'daemon.js')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [port] = await once(daemon.stdout, 'data')
  return { process: daemon, port: String(port).trim() }
}

function readOutcome(): ReadonlyMap<string, Outcome> {
  const { tests } = JSON.parse(readFileSync(join(BUILD, 'outcome.json'), 'utf8'))
  return new Map(
    Object.entries(tests as Record<string, { actual: Outcome }>).map(([name, { actual }]) => [name, actual]),
  )
}

function disabledTests(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(join(SOURCE, 'config.json'), 'utf8')).DisabledTests
}

function resultsPage(): string {
  const mode = options.reference ? 'a process for each test' : 'one process for all tests'
  return `# BoGo: results

${new Date().toISOString().slice(0, 10)}, BoringSSL ${revision()}, Node ${process.versions.node} on ${platform()} ${arch()},
${mode}, ${Math.round((Date.now() - started) / 1000)} s. Written by \`npm run bogo -- <checkout> --write\`; [README.md](README.md) says how to run it.

${reports.map(({ title, report, core }) => `## ${title}\n\nOf the core: ${core}.\n\n${report.page}`).join('\n')}`
}
