// Runs tests for `launch.sh`, all in one process: the fast mode. It prints the port that it listens on.
//
// A request is the arguments of a shim, a zero byte behind each, and an empty one at the end. The answer is the exit code
// and the length of stdout in a line, then stdout and stderr.
import { createServer, type Socket } from 'node:net'
import { runShim } from './shim.js'

const server = createServer(socket => {
  socket.on('error', () => socket.destroy())
  void answer(socket)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`)
})
// Whoever started it holds its stdin: when that ends, so does it.
process.stdin.on('end', () => process.exit(0)).resume()

async function answer(socket: Socket): Promise<void> {
  let request = ''
  socket.setEncoding('latin1')
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    request += chunk
    if (request.endsWith(END)) break
  }
  const args = request.slice(0, -END.length).split('\0')
  const { exitCode, stdout, stderr } = await runShim(args)
  socket.end(`${exitCode} ${stdout.length}\n${stdout}${stderr}`, 'latin1')
}

const END = '\0\n'
