import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { type Case, earlyPart, PSK } from '../cases.js'
import { writeIdentity } from '../identities.js'
import { receive, writeRecords } from '../meeting.js'
import { type Limits, type Peer, program } from '../peer.js'
import { folderWithCertificates, Program } from '../support.js'

const CANNOT: Limits = {
  ...(isFrom(3, 5) ? {} : { 'key exchange X25519MLKEM768': 'OpenSSL has it from version 3.5 on' }),
  ...(isFrom(3, 2) ? withoutCompression() : { 'certificate compression': 'OpenSSL has it from version 3.2 on' }),
}

/** s_client and s_server. */
export const openssl: Peer = {
  name: 'OpenSSL',
  needs: [program('openssl', 'apt install openssl')],
  version: () => versionText().replace(/^OpenSSL (\S+).*/s, '$1'),
  client: {
    cannot: CANNOT,
    async run(stage, wanted, { port, payload }) {
      const path = folderWithCertificates(stage)
      const isInteractive = wanted.keyUpdate === 'theirs'
      const start = (...more: readonly string[]) =>
        new Program(stage, 'openssl', [
          ...['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-tls1_3'],
          ...['-CAfile', path('ca.pem'), '-verify_return_error', '-verify_hostname', 'localhost'],
          ...(isInteractive ? [] : ['-quiet', '-no_ign_eof']),
          ...common(wanted),
          ...(wanted.clientKey
            ? ownCredential(writeIdentity(path('own.pem'), wanted.clientKey, 'client', wanted.isCompressed))
            : []),
          ...more,
        ])
      writeFileSync(path('early'), earlyPart(payload))
      // What was refused as early data is not sent again by itself.
      const rest = wanted.earlyData === 'accepted' ? payload.slice(earlyPart(payload).length) : payload
      const send = async (client: Program, text: string) => {
        if (isInteractive) {
          client.process.stdin.write('K\n')
          await client.says(/KEYUPDATE/)
          client.process.stdin.write(payload)
          await client.says(new RegExp(payload))
        } else {
          client.process.stdin.write(text)
          await client.prints(payload)
        }
        client.process.stdin.end()
        if ((await client.ends()) !== 0) throw new Error(client.said)
      }
      await send(start('-sess_out', path('session.pem')), payload)
      const early = wanted.earlyData ? ['-early_data', path('early')] : []
      if (wanted.isResumed) await send(start('-sess_in', path('session.pem'), ...early), rest)
    },
  },
  server: {
    cannot: CANNOT,
    async start(stage, wanted) {
      const path = folderWithCertificates(stage)
      // With early data it does not serve otherwise.
      const isInteractive = wanted.keyUpdate === 'theirs' || wanted.earlyData !== undefined
      const server = new Program(stage, 'openssl', [
        ...['s_server', '-accept', '127.0.0.1:0', '-tls1_3', '-CAfile', path('ca.pem')],
        // With names to choose by it forgets about application protocols.
        ...(wanted.peerProtocols ? [] : ['-servername', 'localhost', '-servername_fatal']),
        ...['-cert2', path('own.pem'), '-key2', path('own.pem')],
        ...ownCredential(writeIdentity(path('own.pem'), wanted.serverKey, 'server', wanted.isCompressed)),
        ...(isInteractive ? [] : ['-rev']),
        ...(wanted.earlyData ? ['-early_data'] : []),
        ...(wanted.clientKey ? ['-Verify', '1', '-verify_return_error'] : []),
        ...common(wanted),
      ])
      const [, port] = await server.says(/ACCEPT 127\.0\.0\.1:(\d+)/)
      return {
        options: { host: '127.0.0.1', port: Number(port) },
        async exchange(socket, { rest, payload }) {
          if (wanted.keyUpdate === 'theirs') await askForKeys(server)
          const back = receive(socket, text => text.length >= payload.length)
          await writeRecords(socket, Buffer.from(rest), wanted)
          if (isInteractive) {
            await server.says(new RegExp(rest))
            server.process.stdin.write(payload)
          }
          const expected = isInteractive ? payload : reversed(payload)
          if ((await back) !== expected) throw new Error('what came back is not what was sent')
        },
      }
    },
  },
}

/** KeyUpdate with update_requested. */
async function askForKeys(server: Program): Promise<void> {
  server.process.stdin.write('K\n')
  await server.says(/SSL_do_handshake -> 1/)
}

/** What `-rev` does to lines. */
function reversed(text: string): string {
  const lines = text.split('\n').map(line => [...line].reverse().join(''))
  return lines.join('\n')
}

function common({ peerProtocols, isPsk }: Case): readonly string[] {
  return [
    ...(peerProtocols ? ['-alpn', peerProtocols.join(',')] : []),
    ...(isPsk ? ['-psk', PSK.key, '-psk_identity', PSK.identity] : []),
  ]
}

function ownCredential(file: string): readonly string[] {
  return ['-cert', file, '-key', file]
}

function versionText(): string {
  return spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? ''
}

function isFrom(wantedMajor: number, wantedMinor: number): boolean {
  const [, major = 0, minor = 0] = /^OpenSSL (\d+)\.(\d+)/.exec(versionText())?.map(Number) ?? []
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

/** What it was built without. */
function withoutCompression(): Limits {
  const disabled = spawnSync('openssl', ['list', '-disabled'], { encoding: 'utf8' }).stdout ?? ''
  const absent = ['zlib', 'brotli'].filter(algorithm => new RegExp(`^${algorithm}$`, 'im').test(disabled))
  return Object.fromEntries(
    absent.map(algorithm => [`certificate compression ${algorithm}`, 'OpenSSL is built without it']),
  )
}
