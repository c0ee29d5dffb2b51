import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { type Case, earlyPart, PSK } from '../cases.js'
import { writeIdentity } from '../identities.js'
import { sendAndReceive } from '../meeting.js'
import { apart, PORT, startApart } from '../namespace.js'
import { type Limits, type Listening, type Peer, program } from '../peer.js'
import { folderWithCertificates, Program } from '../support.js'

const WITHOUT = 'GnuTLS is linked with no library for it'
const CANNOT: Limits = {
  ...(isLinkedWith('libz.') ? {} : { 'certificate compression zlib': WITHOUT }),
  ...(isLinkedWith('libbrotli') ? {} : { 'certificate compression brotli': WITHOUT }),
  'key exchange X25519MLKEM768': 'GnuTLS has it from version 3.8.9 on, built with a library for it',
}

/** gnutls-cli and gnutls-serv. */
export const gnutls: Peer = {
  name: 'GnuTLS',
  needs: [program('gnutls-cli', 'apt install gnutls-bin'), program('gnutls-serv', 'apt install gnutls-bin'), ...apart],
  version: () => /(\d+\.\d+\.\d+)/.exec(spawnSync('gnutls-cli', ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? '',
  client: {
    cannot: {
      ...CANNOT,
      'early data, and HelloRetryRequest': 'gnutls-cli seals its second ClientHello as early data',
      record_size_limit: 'gnutls-cli drops what it reads beyond one record of that size',
    },
    async run(stage, wanted, { port, payload }) {
      const path = folderWithCertificates(stage)
      const own = wanted.clientKey && writeIdentity(path('own.pem'), wanted.clientKey, 'client', wanted.isCompressed)
      writeFileSync(path('early'), earlyPart(payload))
      const client = new Program(stage, 'gnutls-cli', [
        ...['127.0.0.1', `--port=${port}`, `--x509cafile=${path('ca.pem')}`, `--priority=${priority(wanted)}`],
        ...['--sni-hostname=localhost', '--verify-hostname=localhost', `--logfile=${path('log')}`],
        ...(own ? [`--x509certfile=${own}`, `--x509keyfile=${own}`] : []),
        ...(wanted.peerProtocols ?? []).map(name => `--alpn=${name}`),
        ...(wanted.isResumed ? ['--resume', '--waitresumption'] : []),
        ...(wanted.earlyData ? [`--earlydata=${path('early')}`] : []),
        ...compression(wanted),
        ...(wanted.isPsk ? [`--pskusername=${PSK.identity}`, `--pskkey=${PSK.key}`] : []),
        ...(wanted.keyUpdate === 'theirs' ? ['--inline-commands'] : []),
      ])
      if (wanted.keyUpdate === 'theirs') client.process.stdin.write('^rekey^\n')
      // What was refused as early data is not sent again by itself.
      client.process.stdin.write(wanted.earlyData === 'accepted' ? payload.slice(earlyPart(payload).length) : payload)
      await client.prints(payload)
      client.process.stdin.end()
      if ((await client.ends()) !== 0) throw new Error(client.said)
    },
  },
  server: {
    cannot: {
      ...CANNOT,
      'early data that is refused': 'gnutls-serv takes tickets more than once',
      'early data, and HelloRetryRequest': 'gnutls-serv does not pass over early data after its HelloRetryRequest',
      'KeyUpdate of theirs': 'gnutls-serv answers one, but has no command for it',
    },
    async start(stage, wanted) {
      const path = folderWithCertificates(stage)
      const own = writeIdentity(path('own.pem'), wanted.serverKey, 'server', wanted.isCompressed)
      writeFileSync(path('psk'), `${PSK.identity}:${PSK.key}\n`)
      const { socketPath } = await startApart(
        stage,
        'gnutls-serv',
        [
          ...['--echo', `--port=${PORT}`, `--priority=${priority(wanted)}`],
          ...['--sni-hostname=localhost', '--sni-hostname-fatal', `--x509cafile=${path('ca.pem')}`],
          ...[`--x509certfile=${own}`, `--x509keyfile=${own}`],
          ...(wanted.clientKey ? ['--require-client-cert', '--verify-client-cert'] : ['--disable-client-cert']),
          ...(wanted.peerProtocols ?? []).map(name => `--alpn=${name}`),
          ...(wanted.earlyData ? ['--earlydata'] : []),
          ...compression(wanted),
          ...(wanted.isPsk ? [`--pskpasswd=${path('psk')}`] : []),
        ],
        /done/,
      )
      // It takes early data, and does not send it back.
      const exchange: Listening['exchange'] = (socket, { rest }, wanted) =>
        sendAndReceive(socket, { rest, payload: rest }, wanted)
      return { options: { path: socketPath }, exchange }
    },
  },
}

function compression({ options }: Case): readonly string[] {
  return (options.certificateCompression ?? []).map(algorithm => `--compress-cert=${algorithm}`)
}

/** TLS 1.3 alone. Unless it is told to, GnuTLS takes no records as small as RFC 8449 §4 allows. */
function priority({ isPsk, options }: Case): string {
  const isSmall = (options.recordSizeLimit ?? Number.POSITIVE_INFINITY) < 512
  return `NORMAL:-VERS-ALL:+VERS-TLS1.3${isPsk ? ':-KX-ALL:+ECDHE-PSK' : ''}${isSmall ? ':%ALLOW_SMALL_RECORDS' : ''}`
}

/** Whether it is linked with a library: the tools take the names of what they cannot do, and do nothing. */
function isLinkedWith(library: string): boolean {
  const path = spawnSync('which', ['gnutls-cli'], { encoding: 'utf8' }).stdout?.trim()
  return spawnSync('ldd', [path], { encoding: 'utf8' }).stdout?.includes(library) ?? false
}
