import assert from 'node:assert/strict'
import type { DtlsConnectOptions, DtlsServerOptions } from 'attested-tls/dtls'
import type { End, Facts } from './end.js'
import type { Ours } from './ours.js'
import type { Fate, Path } from './path.js'

/** What not every peer can do. */
export type Ability =
  | 'alpn'
  | 'chacha20'
  | 'client certificates'
  | 'connection IDs'
  | 'key update'
  | 'key update of its own'
  | 'ML-KEM'
  | 'P-384'
  | 'PSK'
  | 'resumption'
  | 'small datagrams'
  | 'very large certificates'

/** A connection in the making. */
export interface Link {
  readonly ours: Ours
  readonly theirs: End
  readonly client: End
  readonly server: End
  readonly path: Path
}

/** What is tried with a peer, with either of us as the client. */
export interface Scenario {
  readonly name: string
  readonly needs?: Ability
  /** The roles that we can have in it. Default: both. */
  readonly roles?: readonly Role[]
  readonly options?: Options
  readonly fate?: Fate
  run(link: Link): Promise<void>
}

/** What ends authenticate with: certificates of different sizes, or none. */
export type CredentialKind = 'usual' | 'large' | 'very large' | 'none'

/** The side that we are on. */
export type Role = 'client' | 'server'

/** What is said to both of us. */
interface Options {
  readonly client?: Partial<DtlsConnectOptions>
  readonly server?: DtlsServerOptions
  /** Arguments for the peer's program. */
  readonly theirs?: readonly string[]
  /** Default: `usual` certificates on both sides. */
  readonly credentials?: CredentialKind
}

/** Options that mean the same on either side. */
function either(options: Partial<DtlsConnectOptions> & DtlsServerOptions): Pick<Options, 'client' | 'server'> {
  return { client: options, server: options }
}

const PSK = Buffer.alloc(32, 7)

/** The scenarios, in the order in which they are told of. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'handshake with a cookie, messages both ways, close',
    async run(link) {
      await meet(link)
      await exchange(link, 10)
      await exchange(link, 2, 1000)
      link.ours.close()
      await link.theirs.closed()
    },
  },
  {
    name: 'the peer closes',
    async run(link) {
      await meet(link)
      await exchange(link)
      link.theirs.close()
      await link.ours.closed()
    },
  },
  ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'].map(
    (suite): Scenario => ({
      name: suite,
      ...(suite.includes('CHACHA20') && { needs: 'chacha20' as const }),
      options: { ...either({ ciphers: suite }), theirs: ['-suite', suite] },
      async run(link) {
        await meet(link)
        await exchange(link)
      },
    }),
  ),
  {
    name: 'HelloRetryRequest for a group',
    needs: 'P-384',
    options: {
      client: { groups: 'X25519:P-384' },
      server: { groups: 'P-384' },
      theirs: ['-groups', 'P-256,P-384'],
    },
    async run(link) {
      await meet(link)
      assert.ok(link.path.server.retries > 0, 'there was no HelloRetryRequest')
      await exchange(link)
    },
  },
  {
    name: 'X25519MLKEM768',
    needs: 'ML-KEM',
    options: { ...either({ groups: 'X25519MLKEM768' }), theirs: ['-groups', 'X25519MLKEM768'] },
    async run(link) {
      await meet(link)
      await exchange(link)
    },
  },
  {
    name: 'X25519MLKEM768 by HelloRetryRequest',
    needs: 'ML-KEM',
    options: { ...either({ groups: 'X25519MLKEM768:X25519' }), theirs: ['-groups', 'X25519MLKEM768'] },
    async run(link) {
      await meet(link)
      assert.ok(link.path.server.retries > 0, 'there was no HelloRetryRequest')
      await exchange(link)
    },
  },
  {
    name: 'client certificate',
    needs: 'client certificates',
    options: { server: { requestCert: true }, theirs: ['-client-auth'] },
    async run(link) {
      const facts = await meet(link)
      const shown = facts[link.server === link.ours ? 0 : 1].certificates
      assert.ok(shown === undefined || shown > 0, 'no certificate was shown')
      await exchange(link)
    },
  },
  {
    name: 'certificates of 8 kB both ways',
    needs: 'client certificates',
    options: { server: { requestCert: true }, theirs: ['-client-auth'], credentials: 'large' },
    run: link => longFlights(link, 6),
  },
  {
    name: 'certificates of 30 kB both ways',
    needs: 'very large certificates',
    options: { server: { requestCert: true }, theirs: ['-client-auth'], credentials: 'very large' },
    run: link => longFlights(link, 25),
  },
  {
    name: 'our key update',
    needs: 'key update',
    run: link => renew(link, link.ours),
  },
  {
    name: "the peer's key update",
    needs: 'key update of its own',
    run: link => renew(link, link.theirs),
  },
  {
    name: 'connection IDs',
    needs: 'connection IDs',
    options: { theirs: ['-cid', '6'] },
    async run(link) {
      await meet(link)
      await exchange(link)
      // Our client asks for none.
      assert.ok(link.path.client.hasConnectionId, "the client's records have no connection ID")
    },
  },
  {
    name: 'a client whose address changes',
    needs: 'connection IDs',
    options: { theirs: ['-cid', '6'] },
    async run(link) {
      await meet(link)
      await exchange(link)
      await link.path.rebind()
      await exchange(link)
    },
  },
  {
    name: 'external PSK',
    needs: 'PSK',
    options: {
      client: { pskCallback: () => ({ psk: PSK, identity: 'device' }) },
      server: { pskCallback: () => PSK },
      theirs: ['-psk', `device:${PSK.toString('hex')}`],
      credentials: 'none',
    },
    async run(link) {
      await meet(link)
      await exchange(link)
    },
  },
  {
    name: 'resumption',
    needs: 'resumption',
    options: { theirs: ['-resume'] },
    async run(link) {
      await meet(link)
      await exchange(link)
      await link.client.session()
      link.client.close()
      await link.server.closed()
      await meet(link)
      await exchange(link)
      assert.ok(link.ours.socket.isSessionReused(), 'it was a full handshake')
    },
  },
  {
    name: 'ALPN',
    needs: 'alpn',
    options: { ...either({ ALPNProtocols: ['coap'] }), theirs: ['-alpn', 'coap'] },
    async run(link) {
      const facts = await meet(link)
      for (const { alpn } of facts) assert.ok(alpn === undefined || alpn === 'coap', `ALPN says ${alpn}`)
      await exchange(link)
    },
  },
  {
    name: 'datagrams of 512 bytes',
    needs: 'small datagrams',
    options: { ...either({ mtu: 512 }), theirs: ['-mtu', '512'] },
    async run(link) {
      await meet(link)
      await exchange(link)
      assert.ok(Math.max(link.path.client.largest, link.path.server.largest) <= 512, 'a datagram was larger')
    },
  },
  {
    name: 'loss: every third datagram',
    fate: index => ({ copies: index % 3 === 2 && index < 60 ? 0 : 1 }),
    run: async link => void (await meet(link)),
  },
  {
    name: 'disorder and copies',
    fate: index => ({ copies: index % 2 === 0 ? 2 : 1, isOvertaken: index % 3 === 1 && index < 40 }),
    async run(link) {
      await meet(link)
      await flood(link.client, link.server)
      await flood(link.server, link.client)
    },
  },
  {
    name: 'a server that is not trusted',
    roles: ['client'],
    options: { client: { ca: [] } },
    async run(link) {
      link.client.connect()
      await link.ours.failed()
      await link.theirs.failed()
    },
  },
]

async function meet(link: Link): Promise<[ours: Facts, theirs: Facts]> {
  link.client.connect()
  const facts = await Promise.all([link.ours.connected(), link.theirs.connected()])
  for (const { isDtls13 } of facts) assert.notEqual(isDtls13, false, 'it was not DTLS 1.3')
  const [ours, theirs] = facts
  if (theirs.exporter !== undefined) assert.equal(theirs.exporter, ours.exporter, 'exporters differ')
  return facts
}

/** The client speaks first: a server whose client has moved would not know where to. */
async function exchange({ client, server }: Link, count = 2, length = 16): Promise<void> {
  for (let i = 0; i < count; i++) {
    const message = Buffer.alloc(length, `${i} `)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.send(message)
      assert.deepEqual(Buffer.from(await to.message()), message)
    }
  }
}

/** Many messages, each of which arrives once, in whatever order. */
async function flood(from: End, to: End): Promise<void> {
  const sent = Array.from({ length: 50 }, (_, i) => `message ${i}`)
  for (const message of sent) from.send(Buffer.from(message))
  const came: string[] = []
  while (came.length < sent.length) came.push(Buffer.from(await to.message()).toString())
  assert.deepEqual(came.toSorted(), sent.toSorted())
}

/** @param least how many datagrams it takes, at least, each way */
async function longFlights(link: Link, least: number): Promise<void> {
  await meet(link)
  await exchange(link)
  assert.ok(Math.min(link.path.client.datagrams, link.path.server.datagrams) >= least, 'the certificates were small')
}

/** One end replaces its keys twice, and asks the other for the same. */
async function renew(link: Link, end: End): Promise<void> {
  await meet(link)
  await exchange(link)
  for (const bits of [0, 1]) {
    end.updateKeys(true)
    await untilEpoch(link, bits)
  }
}

/** New keys are used once the update has been acknowledged (RFC 9147 §8).
 *  @param bits the low ones of the epoch */
async function untilEpoch(link: Link, bits: number): Promise<void> {
  const { client, server } = link.path
  for (let attempt = 0; attempt < 50; attempt++) {
    await exchange(link)
    if (client.epochs.has(bits) && server.epochs.has(bits)) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  assert.fail(`no records of both ends are of an epoch that ends in ${bits}`)
}
