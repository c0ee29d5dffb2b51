// Runs inside a network namespace: starts a program that can listen only on all interfaces, and brings what comes to a
// socket in the file system to its port.
import { execFileSync, spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'

const [path = '', port = '', command = '', ...args] = process.argv.slice(2)
execFileSync('ip', ['link', 'set', 'lo', 'up'])
spawn(command, args, { stdio: 'inherit' }).on('exit', code => process.exit(code ?? 1))
const relay = createServer({ allowHalfOpen: true }, near => {
  const far = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
  near.on('error', () => far.destroy())
  far.on('error', () => near.destroy())
  near.pipe(far).pipe(near)
})
relay.listen(path, () => process.stdout.write('the relay listens\n'))
