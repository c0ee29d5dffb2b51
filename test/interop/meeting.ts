import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dialPlain, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  type AttestedSocket,
  attestedSocketOf,
  connect,
  createHttpsServer,
  createServer,
  type ServerOptions,
} from '#src/node/index.js'
import { type Case, earlyPart, PSK, payloadOf } from './cases.js'
import { ca, IDLE_LENGTH, identityOf } from './identities.js'
import type { PeerAddress, PeerClient, PeerServer, Saying } from './peer.js'
import { portOf, type Stage } from './support.js'

/** The peer's client meets our server. @throws Error if anything is not as the case wants it */
export async function meetClient(stage: Stage, client: PeerClient, wanted: Case): Promise<void> {
  const sockets: AttestedSocket[] = []
  const errors: Error[] = []
  const hellos: number[] = []
  const options: ServerOptions = {
    ...identityOf(wanted.serverKey, 'server', wanted.isCompressed).pem,
    ca: ca.pem,
    requestCert: wanted.clientKey !== undefined,
    ...wanted.options,
    ...wanted.asServer,
    ...(wanted.isPsk && {
      pskCallback: (_: AttestedSocket, identity: string) =>
        identity === PSK.identity ? Buffer.from(PSK.key, 'hex') : null,
    }),
  }
  const server = client.isHttp
    ? createHttpsServer(options, (request, response) => {
        const socket = attestedSocketOf(request)
        if (socket && !sockets.includes(socket)) sockets.push(socket)
        if (wanted.keyUpdate === 'ours') socket?.updateKeys(true)
        request.pipe(response)
      })
    : createServer(options, socket => {
        sockets.push(socket)
        const note = (error: Error & { readonly code?: string }) => {
          if (!client.omitsCloseNotify || error.code !== 'ERR_TLS_CONNECTION_ENDED') errors.push(error)
        }
        socket.on('error', note)
        echo(socket, wanted, client.omitsCloseNotify === true).catch(note)
      })
  server.on('tlsClientError', (error: Error) => errors.push(error))
  const transports: Socket[] = []
  server.on('connection', (transport: Socket) => {
    transports.push(transport)
    const index = hellos.push(0) - 1
    countHellos(transport, count => {
      hellos[index] = count
    })
  })
  const port = await portOf(stage, server)
  stage.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  try {
    await client.run(stage, wanted, { port, payload: payloadOf(wanted.length) })
  } catch (error) {
    throw errors.length === 0 ? error : new AggregateError([...errors, error], errors.map(String).join('\n'))
  }
  assert.deepEqual(errors, [])
  const last = sockets.at(-1)
  assert.ok(last, 'nobody has connected')
  assert.equal(sockets.length >= (wanted.isResumed ? 2 : 1), true)
  checkCommon(last, wanted)
  assert.equal(last.servername, wanted.isPsk ? last.servername : 'localhost')
  if (wanted.clientKey) assert.equal(last.getPeerCertificate().subject?.CN, 'a client')
  if (wanted.isRetried) assert.equal(hellos.at(-1), 2)
  if (wanted.earlyData) assert.equal(last.earlyData, wanted.earlyData === 'accepted' ? 'accepted' : 'rejected')
  if (wanted.isCompressed) checkCompressed(transports.at(-1))
}

/** Our client meets the peer's server. @throws Error if anything is not as the case wants it */
export async function meetServer(stage: Stage, server: PeerServer, wanted: Case): Promise<void> {
  const listening = await server.start(stage, wanted)
  const { exchange = sendAndReceive, omitsCloseNotify } = listening
  const payload = payloadOf(wanted.length)
  const request = listening.request?.(payload) ?? payload
  const early = wanted.earlyData ? earlyPart(request) : ''
  let session: Buffer | undefined
  const count = wanted.earlyData === 'refused' && !listening.refusing ? 3 : wanted.isResumed ? 2 : 1
  for (let index = 0; index < count; index++) {
    const { expectedGroup, ...asClient } = wanted.asClient ?? {}
    const isRefused = wanted.earlyData !== 'accepted' && index === count - 1
    const transport = dial((isRefused && listening.refusing) || listening.options)
    const socket = connect({
      servername: 'localhost',
      ca: ca.pem,
      ...(wanted.clientKey && identityOf(wanted.clientKey, 'client', wanted.isCompressed).pem),
      ...wanted.options,
      ...asClient,
      socket: transport,
      ...(session && { session }),
      ...(session && early !== '' && { replayableEarlyData: early }),
      ...(wanted.isPsk && { pskCallback: () => ({ identity: PSK.identity, psk: Buffer.from(PSK.key, 'hex') }) }),
    })
    stage.after(() => socket.destroy())
    const hasSession = index === 0 && count > 1 ? once(socket, 'session') : undefined
    // Whoever waits for it is told; otherwise the failure is another's to tell.
    hasSession?.catch(() => {})
    await once(socket, 'secureConnect')
    if (wanted.isCompressed) checkCompressed(transport)
    const rest = session ? request.slice(early.length) : request
    await exchange(socket, { rest, payload }, wanted)
    if (session && wanted.earlyData) {
      assert.equal(socket.earlyData, isRefused ? 'rejected' : 'accepted')
    }
    if (hasSession) session = (await hasSession)[0]
    if (index === count - 1) {
      // A ticket that is good once is good for nothing the second time.
      checkCommon(
        socket,
        isRefused && !listening.refusing ? { ...wanted, isResumed: socket.isSessionReused() } : wanted,
      )
      if (expectedGroup) assert.equal((socket.getEphemeralKeyInfo() as { name?: string }).name, expectedGroup)
    }
    await ended(socket, omitsCloseNotify ?? false)
  }
}

/** The connection below ours. */
function dial({ host, port, path }: PeerAddress): Socket {
  return path === undefined ? dialPlain({ host, port: port ?? 0 }) : dialPlain({ path })
}

/** Certificates came and went with less than is in them. */
function checkCompressed(transport: Socket | undefined): void {
  for (const count of [transport?.bytesRead, transport?.bytesWritten]) {
    assert.ok(count !== undefined && count < IDLE_LENGTH, `${count} bytes have passed`)
  }
}

/** Ends the connection, and waits until the peer has, too. */
async function ended(socket: AttestedSocket, isAbrupt: boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error: Error & { readonly code?: string }) => {
      if (!isAbrupt || error.code !== 'ERR_TLS_CONNECTION_ENDED') reject(error)
    })
    socket.once('close', resolve)
    socket.end()
    socket.resume()
  })
}

function checkCommon(socket: AttestedSocket, wanted: Case): void {
  assert.equal(socket.isSessionReused(), wanted.isResumed ?? false)
  assert.equal(socket.pskIdentity, wanted.isPsk ? PSK.identity : undefined)
  if (wanted.expectedSuite) assert.equal(socket.getCipher()?.name, wanted.expectedSuite)
  if (wanted.expectedProtocol) assert.equal(socket.alpnProtocol, wanted.expectedProtocol)
}

/** Sends what is left of the payload, and reads all of it. */
export async function sendAndReceive(socket: AttestedSocket, { rest, payload }: Saying, wanted: Case): Promise<void> {
  const back = receive(socket, text => text.length >= payload.length)
  back.catch(() => {})
  await writeRecords(socket, Buffer.from(rest), wanted)
  assert.equal(await back, payload)
}

/** Reads until there is enough. @throws Error if the connection ends before */
export async function receive(socket: AttestedSocket, isEnough: (text: string) => boolean): Promise<string> {
  let text = ''
  return await new Promise((resolve, reject) => {
    const take = (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (!isEnough(text)) return
      socket.off('data', take)
      resolve(text)
    }
    socket.on('data', take)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`the connection was closed after ${text.length} bytes`)))
  })
}

/** Reads until the peer has ended. */
export async function receiveAll(socket: AttestedSocket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  await once(socket, 'end')
  return text
}

/** Sends back what came, when it is all there: some clients do not read while they write.
 *  @param isFirstToEnd whether the end comes from here, when all has been sent */
async function echo(socket: AttestedSocket, wanted: Case, isFirstToEnd: boolean): Promise<void> {
  let received = Buffer.alloc(0)
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer])
    if (received.length !== wanted.length) continue
    await writeRecords(socket, received, wanted)
    if (isFirstToEnd) socket.end()
  }
  socket.end()
}

/** Writes in pieces, each into a record of its own, with new keys before each piece if they are to be ours. */
export async function writeRecords(socket: AttestedSocket, data: Buffer, { chunk, keyUpdate }: Case): Promise<void> {
  for (let at = 0; at < data.length; at += chunk) {
    if (keyUpdate === 'ours') socket.updateKeys(true)
    await new Promise<void>((resolve, reject) => {
      socket.write(data.subarray(at, at + chunk), error => (error ? reject(error) : resolve()))
    })
  }
}

/** Counts the ClientHellos at the beginning of what comes. */
function countHellos(transport: Duplex, tell: (count: number) => void): void {
  let bytes = Buffer.alloc(0)
  transport.on('data', (chunk: Buffer) => {
    if (bytes.length > 8192) return
    bytes = Buffer.concat([bytes, chunk])
    let count = 0
    for (let at = 0; at + 5 < bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
      if (bytes[at] === HANDSHAKE && bytes[at + 5] === CLIENT_HELLO) count++
    }
    tell(count)
  })
}
const HANDSHAKE = 22
const CLIENT_HELLO = 1
