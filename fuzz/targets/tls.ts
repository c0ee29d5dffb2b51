import { defaultCodePoints } from '#src/attestation/code-points.js'
import { attestationExtensions, rowsOf } from '#src/attestation/extensions.js'
import { hardenedExtensions } from '#src/attestation/hardened/extensions.js'
import { type Codec, decode, encode } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import { decodeAcknowledgement, encodeAcknowledgement } from '#src/dtls/acknowledgement.js'
import { ConnectionIds } from '#src/dtls/connection-ids.js'
import { CookieIssuer } from '#src/dtls/cookie.js'
import { FRAGMENT_HEADER_LENGTH, type Fragment, readFragments, writeFragment } from '#src/dtls/fragment.js'
import { Reassembly } from '#src/dtls/reassembly.js'
import { RecordReader as DatagramReader, findPlain } from '#src/dtls/record-reader.js'
import { baseRows } from '#src/handshake/extensions.js'
import { type ExtensionRow, type Message, MessageAssembler, type Place, suiteOf } from '#src/handshake/index.js'
import {
  Certificate,
  CertificateRequest,
  CertificateVerify,
  ClientHello,
  EncryptedExtensions,
  HandshakeType,
  KeyUpdate,
  NewSessionTicket,
  ServerHello,
} from '#src/handshake/messages.js'
import { decodeSession, decodeTicketState, encodeSession, encodeTicketState } from '#src/handshake/session.js'
import { RecordReader } from '#src/tls/record-reader.js'
import { makeDatagramPair } from '../../test/support/datagram-pair.js'
import { extensionsOf, placeOf } from '../../test/support/extensions.js'
import { kinds, messagesOf, rawMessage } from '../../test/support/hostile.js'
import { connectedPair, type PairOptions, type Side } from '../../test/support/pair.js'
import { honest, pairs } from '../handshakes/pairs.js'
import { type Target, Violation } from '../target.js'
import { decoder } from './decoder.js'

/** Lists of which what is not known is passed over. */
const FORGETFUL: ReadonlySet<string> = new Set(['evidence_request:client_hello', 'evidence_proposal:client_hello'])

/** What TLS, DTLS and the draft put on the wire. */
export const tlsTargets: readonly Target[] = [
  ...messages(),
  ...extensions(),
  decoder({
    name: 'tls-records',
    form: 'binary',
    seeds: () => recordsOf(kinds.everything()),
    decode(bytes) {
      const reader = new RecordReader()
      reader.add(bytes)
      const types: number[] = []
      for (let record = reader.next(); record; record = reader.next()) types.push(record.type)
      return types
    },
    describe: types => types.slice(0, 4).join(' '),
  }),
  decoder({
    name: 'message-assembler',
    form: 'binary',
    seeds: () => [Buffer.concat(all('plain').map(({ raw }) => raw))],
    decode(bytes) {
      const whole = assembled([bytes])
      const cut = assembled(Array.from(bytes, byte => Uint8Array.of(byte)))
      if (whole.join() !== cut.join()) throw new Error('messages depend on how their bytes come')
      return whole
    },
    describe: types => types.slice(0, 4).join(' '),
  }),
  decoder({
    name: 'dtls-datagrams',
    form: 'binary',
    seeds: datagrams,
    decode: bytes => [...new DatagramReader().read(bytes, 0)].map(({ type }) => type),
    describe: types => types.slice(0, 4).join(' '),
  }),
  decoder({
    name: 'dtls-fragments',
    form: 'binary',
    seeds: async () => (await datagrams()).flatMap(bytes => findPlain(bytes)?.record?.content ?? []),
    decode: bytes => readFragments(bytes),
    encode: fragments => Uint8Array.from(Buffer.concat(fragments.map(fragmentBytes))),
    isCanonical: true,
  }),
  decoder({
    name: 'dtls-reassembly',
    form: 'binary',
    seeds: async () => (await datagrams()).flatMap(bytes => findPlain(bytes)?.record?.content ?? []),
    decode(bytes) {
      const reassembly = new Reassembly(() => 2 ** 17, 2 ** 18)
      const added = readFragments(bytes).map(fragment => reassembly.add(fragment, 1))
      let taken = 0
      while (reassembly.take()) taken++
      return `${[...new Set(added)].join(' ')} ${Math.min(taken, 2)}`
    },
    describe: outcome => outcome,
  }),
  decoder({
    name: 'dtls-ack',
    form: 'binary',
    seeds: () => [
      encodeAcknowledgement([{ epoch: 2, sequenceNumber: 1 }]),
      encodeAcknowledgement([3, 4, 5].map(sequenceNumber => ({ epoch: 3, sequenceNumber }))),
    ],
    decode: decodeAcknowledgement,
  }),
  decoder({
    name: 'session',
    form: 'binary',
    seeds: async () => (await sessions()).map(session => session.encoded),
    decode: bytes => decodeSession(bytes),
    encode: session => (session ? encodeSession(session) : new Uint8Array(0)),
  }),
  decoder({
    name: 'ticket-state',
    form: 'binary',
    seeds: async () => (await sessions()).map(({ state }) => encodeTicketState(state)),
    decode: bytes => decodeTicketState(bytes),
    encode: state => (state ? encodeTicketState(state) : new Uint8Array(0)),
  }),
  known('ticket', async () => {
    const { server } = kinds.everything()
    const { client } = await connectedPair({ server: { tickets: server.tickets } })
    const tickets = client.sessions.flatMap(session => decodeSession(session)?.ticket ?? [])
    return { genuine: tickets, open: bytes => server.tickets.open(bytes) }
  }),
  known('dtls-cookie', () => {
    const issuer = new CookieIssuer(systemEntropy)
    const suite = suiteOf(0x1301)
    if (!suite) throw new Error('there is no such suite')
    const address = Uint8Array.of(127, 0, 0, 1)
    const sent = { suite, group: 0x1d, helloHash: new Uint8Array(32), constantHash: new Uint8Array(32) }
    return { genuine: [issuer.issue(sent, address, 0)], open: bytes => issuer.open(bytes, address, 0) }
  }),
  connectionIds(HandshakeType.new_connection_id, [0, 8, 3, 1, 2, 3, 3, 4, 5, 6, 1]),
  connectionIds(HandshakeType.request_connection_id, [2]),
]

/** What is sealed for ourselves and comes back by way of the peer: that, and nothing else. */
function known(name: string, make: () => Sealed | Promise<Sealed>): Target {
  let made: Promise<Sealed> | undefined
  const sealed = () => {
    made ??= Promise.resolve(make())
    return made
  }
  return {
    name,
    form: 'binary',
    seeds: async () => (await sealed()).genuine,
    async run(bytes) {
      const { genuine, open } = await sealed()
      const isKnown = open(bytes) !== null
      if (isKnown !== genuine.some(one => Buffer.from(one).equals(bytes))) {
        throw new Violation(isKnown ? 'what nobody has sealed is opened' : 'what was sealed is not opened')
      }
      return String(isKnown)
    },
  }
}

interface Sealed {
  readonly genuine: readonly Uint8Array[]
  open(bytes: Uint8Array): unknown
}

/** Connection IDs that a peer gives, or asks for (RFC 9147 §9). */
function connectionIds(type: number, seed: readonly number[]): Target {
  return decoder({
    name: type === HandshakeType.new_connection_id ? 'dtls-new-connection-id' : 'dtls-request-connection-id',
    form: 'binary',
    seeds: () => [Uint8Array.from(seed)],
    decode(body) {
      const ids = new ConnectionIds(Uint8Array.of(1, 2), () => systemEntropy.bytes(2))
      ids.agree(Uint8Array.of(1, 2, 3))
      const message = { type, body, raw: rawMessage(type, body) }
      if (type === HandshakeType.new_connection_id) ids.take(message)
      else ids.readRequest(message)
      return { spare: ids.spareCount, answer: ids.takeAnswer()?.length ?? 0 }
    },
    check({ spare, answer }) {
      if (spare > 8 || answer > 64) throw new Violation('the peer says how much is kept')
    },
    describe: ({ spare, answer }) => `${Math.min(2, spare)} ${answer}`,
  })
}

/** Messages of honest handshakes: of both sides, with and without attestation. */
function all(kind: keyof typeof kinds = 'everything'): readonly Message[] {
  const options: PairOptions = kinds[kind]()
  return (['client', 'server'] as const).flatMap((side: Side) => messagesOf(side, options))
}

async function everything(): Promise<readonly Message[]> {
  return (await Promise.all(Object.keys(pairs).map(honest))).flat()
}

/** The codecs of handshake messages: each is written in one way. */
function messages(): readonly Target[] {
  const codecs: readonly (readonly [keyof typeof HandshakeType, Codec<unknown>, boolean])[] = [
    // Older versions leave the extensions out, which is not how we would say that there are none.
    ['client_hello', ClientHello as Codec<unknown>, false],
    ['server_hello', ServerHello as Codec<unknown>, false],
    ['encrypted_extensions', EncryptedExtensions as Codec<unknown>, true],
    ['certificate_request', CertificateRequest as Codec<unknown>, true],
    ['certificate', Certificate as Codec<unknown>, true],
    ['certificate_verify', CertificateVerify as Codec<unknown>, true],
    ['new_session_ticket', NewSessionTicket as Codec<unknown>, true],
    ['key_update', KeyUpdate as Codec<unknown>, true],
  ]
  return codecs.map(([name, codec, isCanonical]) =>
    decoder({
      name: `message:${name}`,
      form: 'binary',
      async seeds() {
        const found = (await everything()).filter(({ type }) => type === HandshakeType[name])
        return found.length > 0 ? found.map(({ body }) => body) : [Uint8Array.of(0)]
      },
      decode: bytes => decode(codec, bytes),
      encode: value => encode(codec, value),
      isCanonical,
    }),
  )
}

/** Extensions that no handshake here has, in the messages that they may stand in. */
const RARE: Readonly<Record<string, readonly Uint8Array[]>> = {
  'status_request:certificate': [Uint8Array.of(1, 0, 0, 1, 0)],
  'status_request:certificate_request': [Uint8Array.of(1, 0, 0, 0, 0)],
  'supported_groups:encrypted_extensions': [Uint8Array.of(0, 2, 0, 23)],
  'early_data:client_hello': [new Uint8Array(0)],
  'early_data:new_session_ticket': [Uint8Array.of(0, 0, 64, 0)],
  'cookie:client_hello': [Uint8Array.of(0, 1, 7)],
  'cookie:hello_retry_request': [Uint8Array.of(0, 1, 7)],
  'compress_certificate:certificate_request': [Uint8Array.of(2, 0, 1)],
  'early_data:encrypted_extensions': [new Uint8Array(0)],
  'certificate_authorities:client_hello': [Uint8Array.of(0, 4, 0, 2, 0x30, 0)],
  'certificate_authorities:certificate_request': [Uint8Array.of(0, 4, 0, 2, 0x30, 0)],
  'post_handshake_auth:client_hello': [new Uint8Array(0)],
  'connection_id:client_hello': [Uint8Array.of(2, 1, 2)],
  'connection_id:server_hello': [Uint8Array.of(0)],
  'tls_flags:new_session_ticket': [Uint8Array.of(1, 4)],
  'hardened_attestation:certificate_request': [Uint8Array.of(1)],
  'cmw_attestation:certificate_request': [new Uint8Array(0)],
  'cmw_attestation:certificate': [Uint8Array.of(0, 1, 7)],
}

/** The codecs of extensions, in each message that they may stand in. */
function extensions(): readonly Target[] {
  const rows: readonly ExtensionRow[] = [
    ...baseRows,
    ...rowsOf(attestationExtensions(defaultCodePoints)),
    ...rowsOf(hardenedExtensions(defaultCodePoints)),
  ]
  return rows.flatMap(row =>
    Object.entries(row.slots).map(([place, slot]) =>
      decoder({
        name: `extension:${row.name}:${place}`,
        form: 'binary',
        async seeds() {
          const found = (await everything())
            .filter(message => placeOf(message) === (place as Place))
            .flatMap(message => extensionsOf(message).filter(({ type }) => type === row.type))
          return found.length > 0 ? found.map(({ data }) => data) : (RARE[`${row.name}:${place}`] ?? [])
        },
        decode: bytes => decode(slot.codec, bytes),
        ...(!FORGETFUL.has(`${row.name}:${place}`) && { encode: (value: unknown) => encode(slot.codec, value) }),
      }),
    ),
  )
}

async function recordsOf(options: PairOptions): Promise<readonly Uint8Array[]> {
  const chunks: Uint8Array[] = []
  await connectedPair({
    ...options,
    link: {
      cut(bytes) {
        chunks.push(Uint8Array.from(bytes))
        return [bytes]
      },
    },
  })
  return chunks
}

async function datagrams(): Promise<readonly Uint8Array[]> {
  const pair = makeDatagramPair({ clientDatagrams: { connectionId: Uint8Array.of(1, 2) } })
  await pair.run()
  return [...pair.client.sent, ...pair.server.sent].map(({ datagram }) => datagram)
}

function fragmentBytes(fragment: Fragment): Uint8Array {
  const output = new Uint8Array(FRAGMENT_HEADER_LENGTH + fragment.data.length)
  writeFragment(fragment, output, 0)
  return output
}

/** The types of the messages in some bytes, and what stopped them. */
function assembled(pieces: readonly Uint8Array[]): readonly (number | string)[] {
  const assembler = new MessageAssembler(() => 2 ** 17)
  const types: (number | string)[] = []
  try {
    for (const piece of pieces) {
      assembler.add(Uint8Array.from(piece))
      for (let message = assembler.take(); message; message = assembler.take()) types.push(message.type)
    }
  } catch (error) {
    types.push(String(error))
  }
  return types
}

async function sessions() {
  const { server } = kinds.everything()
  const { client } = await connectedPair({ server: { tickets: server.tickets } })
  return client.sessions.flatMap(encoded => {
    const session = decodeSession(encoded)
    const state = session && server.tickets.open(session.ticket)
    return state ? [{ encoded, state }] : []
  })
}
