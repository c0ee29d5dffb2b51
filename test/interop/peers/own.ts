// Our own peers on others' libraries: conformance/interop/tls has them, `npm run interop` compiles them.
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../../support/skip.js'
import type { Case } from '../cases.js'
import { writeIdentity } from '../identities.js'
import type { Limits, Need, Peer } from '../peer.js'
import { folderWithCertificates, Program, type Stage, type Talk } from '../support.js'

/** Where `npm run interop` puts what it compiles. */
export const compiled = (...path: readonly string[]) => join(repositoryRoot, 'build', 'peers', 'tls', ...path)
const sources = join(repositoryRoot, 'conformance', 'interop', 'tls')

/** How a peer of ours is started. */
interface Command {
  readonly name: string
  start(stage: Stage, args: readonly string[]): Talk
  readonly needs: readonly Need[]
  readonly version: readonly [program: string, ...args: string[]]
  readonly pattern: RegExp
  readonly cannot: Limits
  readonly cannotAsClient?: Limits
}

/** The libraries that have no external PSKs. */
export const NO_PSK = { 'external PSK': 'the library has none' }

/** Go's crypto/tls. */
export const go = peerOf({
  name: 'Go crypto/tls',
  start: (stage, args) => new Program(stage, compiled('go', 'peer'), args),
  needs: [built('the Go peer', compiled('go', 'peer'), 'apt install golang')],
  version: ['go', 'version', compiled('go', 'peer')],
  pattern: /go(\d\S*)/,
  cannot: {
    ...NO_PSK,
    'server certificate RSA-PSS': 'crypto/x509 reads no keys for RSASSA-PSS alone',
    'early data': 'crypto/tls has it for QUIC alone',
    'certificate compression': 'the library has none',
    'KeyUpdate of theirs': 'crypto/tls answers one, but has no call for it',
  },
})

/** rustls over aws-lc-rs. */
export const rustls = peerOf({
  name: 'rustls',
  start: (stage, args) => new Program(stage, compiled('rust', 'release', 'peer'), args),
  needs: [built('the rustls peer', compiled('rust', 'release', 'peer'), 'apt install cargo')],
  version: [
    'cargo',
    ...['tree', '--offline', '--manifest-path', join(sources, 'rust', 'Cargo.toml'), '-i', 'rustls', '--depth', '0'],
  ],
  pattern: /rustls v(\S+)/,
  cannot: {
    ...NO_PSK,
    'key exchange P-521': 'the library has none',
    'server certificate RSA-PSS': 'the library reads no keys for RSASSA-PSS alone',
  },
  cannotAsClient: {
    'early data, and HelloRetryRequest': 'the library remembers which group a server wants, and is not asked again',
  },
})

/** Node's own tls, in a process of its own. */
export const node = peerOf({
  name: 'Node tls',
  start: (stage, args) => new Program(stage, process.execPath, [join(sources, 'node', 'peer.mjs'), ...args]),
  needs: [],
  version: [process.execPath, '-p', 'process.versions.node'],
  pattern: /(.+)/,
  cannot: {
    ...(hasKem() ? {} : { 'key exchange X25519MLKEM768': 'Node has it from version 24 on' }),
    'early data': 'Node has no option for it',
    'certificate compression': 'Node has no option for it',
    'KeyUpdate of theirs': 'Node answers one, but has no call for it',
  },
})

export function peerOf({ name, start, needs, version, pattern, cannot, cannotAsClient }: Command): Peer {
  return {
    name,
    needs,
    version() {
      const [command, ...rest] = version
      const { stdout, stderr } = spawnSync(command, rest, { encoding: 'utf8' })
      return pattern.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown'
    },
    client: {
      cannot: { ...cannot, ...cannotAsClient },
      async run(stage, wanted, { port, payload }) {
        const path = folderWithCertificates(stage)
        writeFileSync(path('payload'), payload)
        const client = start(stage, [
          ...['client', '-connect', `127.0.0.1:${port}`, '-payload', path('payload')],
          ...common(wanted, path),
          ...(wanted.clientKey
            ? ['-identity', writeIdentity(path('own.pem'), wanted.clientKey, 'client', wanted.isCompressed)]
            : []),
          ...(wanted.isResumed ? ['-connections', '2'] : []),
        ])
        if ((await client.ends()) !== 0) throw new Error(client.said)
      },
    },
    server: {
      cannot,
      async start(stage, wanted) {
        const path = folderWithCertificates(stage)
        const server = start(stage, [
          'server',
          ...common(wanted, path),
          ...['-identity', writeIdentity(path('own.pem'), wanted.serverKey, 'server', wanted.isCompressed)],
          ...(wanted.clientKey ? ['-client-auth', 'required'] : []),
        ])
        const [, port] = await server.says(/port (\d+)/)
        return { options: { host: '127.0.0.1', port: Number(port) } }
      },
    },
  }
}

function common(
  { peerProtocols, chunk, keyUpdate, isPsk, earlyData }: Case,
  path: (name: string) => string,
): readonly string[] {
  return [
    ...['-ca', path('ca.pem'), '-name', 'localhost', '-chunk', String(chunk)],
    ...(peerProtocols ? ['-alpn', peerProtocols.join(':')] : []),
    ...(keyUpdate === 'theirs' ? ['-key-update', '1000'] : []),
    ...(isPsk ? ['-psk', 'on'] : []),
    ...(earlyData ? ['-early-data', earlyData] : []),
  ]
}

/** A program that has to be compiled. */
export function built(name: string, file: string, compiler: string): Need {
  return { name, isPresent: existsSync(file), remedy: `npm run interop compiles it (${compiler})` }
}

function hasKem(): boolean {
  const [major = 0, minor = 0] = process.versions.openssl.split('.').map(Number)
  return major > 3 || (major === 3 && minor >= 5)
}
