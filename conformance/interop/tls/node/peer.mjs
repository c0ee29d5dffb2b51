// A TLS 1.3 peer on Node's own tls; conformance/interop/tls/README.md says how it is told what to do.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import { parseArgs } from 'node:util'

const [role, ...args] = process.argv.slice(2)
const { values: told } = parseArgs({
  args: args.map(arg => (/^-[a-z]/.test(arg) ? `-${arg}` : arg)),
  options: Object.fromEntries(
    ['connect', 'name', 'ca', 'identity', 'alpn', 'client-auth', 'connections', 'payload', 'chunk', 'psk'].map(name => [
      name,
      { type: 'string' },
    ]),
  ),
})
const chunk = Number(told.chunk ?? 16384)
const psk = Buffer.alloc(32, 0x5a)
const identity =
  told.identity === undefined ? {} : { cert: readFileSync(told.identity), key: readFileSync(told.identity) }
const options = {
  ...(told.psk === undefined ? identity : {}),
  ca: readFileSync(told.ca),
  minVersion: 'TLSv1.3',
  ...(told.alpn === undefined ? {} : { ALPNProtocols: told.alpn.split(':') }),
}

if (role === 'server') await serve()
else await dial()

async function serve() {
  const server = tls.createServer({
    ...options,
    requestCert: told['client-auth'] === 'required',
    ...(told.psk === undefined ? {} : { pskCallback: (_socket, name) => (name === 'me' ? psk : null) }),
  })
  server.on('tlsClientError', error => process.stderr.write(`${error.stack}\n`))
  server.on('secureConnection', async socket => {
    socket.on('error', error => process.stderr.write(`${error.stack}\n`))
    if (told.psk === undefined && socket.servername !== told.name) {
      socket.destroy()
      return
    }
    for await (const data of socket) await write(socket, data)
    socket.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.stdout.write(`port ${server.address().port}\n`)
}

async function dial() {
  const payload = readFileSync(told.payload)
  const [host, port] = told.connect.split(':')
  let session
  for (let i = 0; i < Number(told.connections ?? 1); i++) {
    const socket = tls.connect({
      ...options,
      host,
      port,
      servername: told.name,
      session,
      ...(told.psk === undefined
        ? {}
        : { pskCallback: () => ({ identity: 'me', psk }), checkServerIdentity: () => undefined }),
    })
    socket.once('session', it => {
      session = it
    })
    await once(socket, 'secureConnect')
    if (i > 0 && !socket.isSessionReused()) throw new Error('the session was not resumed')
    const back = receive(socket, payload.length)
    await write(socket, payload)
    if (!(await back).equals(payload)) throw new Error('what came back is not what was sent')
    socket.end()
    await once(socket, 'close')
  }
  process.stdout.write('done\n')
}

async function receive(socket, length) {
  const chunks = []
  let received = 0
  while (received < length) {
    const [data] = await once(socket, 'data')
    chunks.push(data)
    received += data.length
  }
  return Buffer.concat(chunks)
}

async function write(socket, data) {
  for (let at = 0; at < data.length; at += chunk) {
    await new Promise((resolve, reject) => {
      socket.write(data.subarray(at, at + chunk), error => (error ? reject(error) : resolve()))
    })
  }
}
