import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { PkiKey } from '../../support/pki.js'
import { type Case, PSK, payloadOf } from '../cases.js'
import { writeIdentity } from '../identities.js'
import { receiveAll, writeRecords } from '../meeting.js'
import { apart, PORT, startApart } from '../namespace.js'
import { type Limits, type Peer, program } from '../peer.js'
import { folderWithCertificates, Program } from '../support.js'

const CANNOT: Limits = {
  'key exchange X25519MLKEM768': 'NSS has it from version 3.105 on',
  'server certificate Ed25519': 'NSS has none in TLS',
  'client certificate Ed25519': 'NSS has none in TLS',
  'certificate compression': 'the tools have no option for it',
  'KeyUpdate of theirs': 'the tools answer one, but have no command for it',
}

/** tstclnt and selfserv. */
export const nss: Peer = {
  name: 'NSS',
  needs: [
    ...['tstclnt', 'selfserv', 'certutil', 'pk12util'].map(name => program(name, 'apt install libnss3-tools')),
    program('openssl', 'apt install openssl'),
    ...apart,
  ],
  version: () =>
    /\t(?:\d+:)?([\d.]+)/.exec(execFileSync('dpkg-query', ['-W', 'libnss3'], { encoding: 'utf8' }))?.[1] ?? '',
  client: {
    cannot: { ...CANNOT, ALPN: 'tstclnt has no option for it' },
    omitsCloseNotify: true,
    async run(stage, wanted, { port, payload }) {
      const path = folderWithCertificates(stage)
      writeFileSync(path('payload'), payload)
      const database = newDatabase(path, wanted.clientKey, 'client')
      const client = new Program(stage, 'tstclnt', [
        ...['-h', '127.0.0.1', '-p', String(port), '-a', 'localhost', '-d', database, '-V', 'tls1.3:tls1.3', '-u'],
        ...(wanted.clientKey ? ['-n', 'own'] : []),
        ...schemes(wanted),
        ...(wanted.isPsk ? ['-z', `0x${PSK.key}:${PSK.identity}`] : []),
        // To connect again it has to read from a file; the server ends the first connection.
        ...(wanted.isResumed ? ['-L', '2', '-A', path('payload')] : []),
        ...(wanted.earlyData ? ['-Z'] : []),
      ])
      if (!wanted.isResumed) client.process.stdin.write(payload)
      await client.prints(wanted.isResumed ? payload + payload : payload)
      client.process.stdin.end()
      if ((await client.ends()) !== 0) throw new Error(client.said)
    },
  },
  server: {
    cannot: { ...CANNOT, 'external PSK': 'selfserv wants a certificate, and prefers it' },
    async start(stage, wanted) {
      const path = folderWithCertificates(stage)
      writeFileSync(path('payload'), payloadOf(wanted.length))
      const database = newDatabase(path, wanted.serverKey, 'server')
      const { socketPath } = await startApart(
        stage,
        'selfserv',
        [
          ...['-p', String(PORT), '-d', database, '-V', 'tls1.3:tls1.3', '-u', '-v'],
          ...[wanted.serverKey.startsWith('rsa') ? '-n' : '-e', 'own'],
          ...(wanted.clientKey ? ['-r', '-r'] : []),
          ...schemes(wanted),
          ...(wanted.peerProtocols ? ['-Q'] : []),
          ...(wanted.earlyData ? ['-Z'] : []),
          ...(wanted.isPsk ? ['-z', `0x${PSK.key}:${PSK.identity}`] : []),
        ],
        /About to call accept/,
      )
      // As long as it cannot know what was sent before it began, it takes no early data (RFC 8446 §8.2).
      if (wanted.earlyData === 'accepted') await new Promise(resolve => setTimeout(resolve, ANTI_REPLAY_WINDOW))
      return {
        options: { path: socketPath },
        refusing: { path: socketPath },
        // It serves files by HTTP.
        request: () => `GET ${path('payload')} HTTP/1.0\r\n\r\n`,
        async exchange(socket, { rest, payload }) {
          const back = receiveAll(socket)
          await writeRecords(socket, Buffer.from(rest), wanted)
          if (!(await back).includes(payload)) throw new Error('what came is not the file')
        },
      }
    },
  },
}

/** Of keys for RSASSA-PSS alone it has to be told. */
function schemes({ serverKey }: Case): readonly string[] {
  return serverKey === 'rsa-pss2048' ? ['-J', 'rsa_pss_pss_sha256,ecdsa_secp256r1_sha256'] : []
}

/** A database with the CA and, if there is one, a key with its certificate by the name `own`. */
function newDatabase(path: (name: string) => string, kind: PkiKey | undefined, side: 'server' | 'client'): string {
  const database = `sql:${path('db')}`
  mkdirSync(path('db'))
  execFileSync('certutil', ['-N', '-d', database, '--empty-password'])
  execFileSync('certutil', ['-A', '-d', database, '-n', 'ca', '-t', 'CT,C,C', '-i', path('ca.pem')])
  if (kind) {
    const file = writeIdentity(path('own.pem'), kind, side)
    const bundle = path('own.p12')
    execFileSync('openssl', ['pkcs12', '-export', '-in', file, '-passout', 'pass:', '-name', 'own', '-out', bundle])
    execFileSync('pk12util', ['-d', database, '-i', bundle, '-W', ''], { stdio: 'ignore' })
  }
  return database
}

/** ms */
const ANTI_REPLAY_WINDOW = 11_000
