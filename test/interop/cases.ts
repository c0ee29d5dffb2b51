import { constants } from 'node:crypto'
import type { CommonOptions, ConnectOptions, ServerOptions } from '#src/node/index.js'
import type { PkiKey } from '../support/pki.js'

/** What client and server are to do in one connection, or in two of which the second resumes the first. */
export interface Case {
  /** A row of the table, and the name of a test. */
  readonly name: string
  /** Whether it is among the few that stand for all where there is little time. */
  readonly isCore?: boolean
  /** The key of the server's certificate. */
  readonly serverKey: PkiKey
  /** The key of the client's certificate; without one the client is not asked. */
  readonly clientKey?: PkiKey
  /** Options of ours. */
  readonly options: CommonOptions
  /** Options of ours as a client, which sees the group of the key exchange. */
  readonly asClient?: ConnectOptions & { readonly expectedGroup?: string }
  readonly asServer?: ServerOptions
  /** Application protocols of the peer, by preference. */
  readonly peerProtocols?: readonly string[]
  readonly expectedProtocol?: string
  readonly expectedSuite?: string
  /** Whether the server asks for another key share. */
  readonly isRetried?: boolean
  readonly isResumed?: boolean
  /** Who replaces its keys, half way through the data; the other has to do so too. */
  readonly keyUpdate?: 'ours' | 'theirs'
  readonly isPsk?: boolean
  /** The second connection sends half of what it has to say along with its ClientHello (RFC 8446 §2.3): what becomes of that.
   *  Refused: the server does not want it, or, of others' servers, takes it once and not with the same ticket again. Retried:
   *  the server asks for another key share, and so takes none. */
  readonly earlyData?: 'accepted' | 'refused' | 'retried'
  /** Whether certificates have much in them that can be compressed; they have to arrive with much less. */
  readonly isCompressed?: boolean
  /** How many bytes go from the client to the server and back. */
  readonly length: number
  /** How many bytes are written at once, and so into one record, by us and by peers that can be told. */
  readonly chunk: number
}

/** The identity and the key of the external PSK. */
export const PSK = { identity: 'me', key: '5a'.repeat(32) }

const USUAL = { serverKey: 'p256', options: {}, length: 2000, chunk: 16_384 } as const
const SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']
const GROUPS = {
  X25519: 'X25519',
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
  X25519MLKEM768: 'X25519MLKEM768',
}
const KEYS = {
  'ECDSA P-384': 'p384',
  'ECDSA P-521': 'p521',
  RSA: 'rsa2048',
  'RSA-PSS': 'rsa-pss2048',
  Ed25519: 'ed25519',
} as const

/** The rows of the table. */
export const cases: readonly Case[] = [
  { ...USUAL, name: 'as it comes', isCore: true },
  ...SUITES.map(suite => ({ ...USUAL, name: suite, options: { ciphers: suite }, expectedSuite: suite })),
  ...Object.entries(GROUPS).map(([group, expectedGroup]) => ({
    ...USUAL,
    name: `key exchange ${group}`,
    options: { groups: group },
    asClient: { expectedGroup },
  })),
  {
    ...USUAL,
    name: 'HelloRetryRequest',
    isCore: true,
    isRetried: true,
    // Nobody has the first, of which alone a key share is sent.
    asClient: { groups: 'MLKEM1024:P-256', expectedGroup: GROUPS['P-256'] },
    asServer: { groups: 'P-384' },
  },
  ...Object.entries(KEYS).map(([kind, serverKey]) => ({ ...USUAL, name: `server certificate ${kind}`, serverKey })),
  { ...USUAL, name: 'client certificate ECDSA P-256', isCore: true, clientKey: 'p256' },
  { ...USUAL, name: 'client certificate RSA', clientKey: 'rsa2048' },
  { ...USUAL, name: 'client certificate Ed25519', clientKey: 'ed25519' },
  {
    ...USUAL,
    name: 'ALPN',
    options: { ALPNProtocols: ['x/1', 'http/1.1'] },
    peerProtocols: ['http/1.1'],
    expectedProtocol: 'http/1.1',
  },
  { ...USUAL, name: 'resumption', isCore: true, isResumed: true },
  { ...USUAL, name: 'resumption with a client certificate', isResumed: true, clientKey: 'p256' },
  {
    ...USUAL,
    name: 'early data',
    isResumed: true,
    earlyData: 'accepted',
    asServer: { replayableEarlyData: true },
  },
  {
    ...USUAL,
    name: 'early data that is refused',
    isCore: true,
    isResumed: true,
    earlyData: 'refused',
    asServer: { replayableEarlyData: { admit: () => false } },
  },
  {
    ...USUAL,
    name: 'early data, and HelloRetryRequest',
    isResumed: true,
    isRetried: true,
    earlyData: 'retried',
    asClient: { groups: 'MLKEM1024:P-256' },
    asServer: { groups: 'P-384', replayableEarlyData: true },
  },
  { ...USUAL, name: 'external PSK', isPsk: true },
  { ...USUAL, name: 'KeyUpdate of ours', isCore: true, keyUpdate: 'ours' },
  { ...USUAL, name: 'KeyUpdate of theirs', keyUpdate: 'theirs' },
  ...(['zlib', 'brotli'] as const).map(algorithm => ({
    ...USUAL,
    name: `certificate compression ${algorithm}`,
    isCompressed: true,
    clientKey: 'p256' as const,
    options: { certificateCompression: [algorithm] },
    // The certificate of the client would stand in them, in its whole length.
    asServer: { secureOptions: constants.SSL_OP_NO_TICKET },
  })),
  { ...USUAL, name: '1 MiB in records of 16 KiB', isCore: true, length: 2 ** 20 },
  { ...USUAL, name: '200 records of 1 byte', length: 200, chunk: 1 },
  { ...USUAL, name: 'padded records', options: { recordPadding: 512 }, length: 5000 },
  { ...USUAL, name: 'record_size_limit', options: { recordSizeLimit: 256 }, length: 5000 },
]

/** What a connection sends along with its ClientHello, of all that it has to say. */
export function earlyPart(text: string): string {
  return text.slice(0, text.length / 2)
}

/** Text of a length: long lines of hexadecimal digits, which no program takes for a command. */
export function payloadOf(length: number): string {
  let text = ''
  for (let line = 0; text.length < length; line++) {
    for (let i = 0; i < LINE - 1; i += 15) text += ((line * LINE + i) * 2654435761).toString(16).padStart(15, '0')
    text += '\n'
  }
  return `${text.slice(0, length - 1)}\n`
}
/** 15 times something, and the end of the line; programs that go by lines take them of 4 KiB at most. */
const LINE = 3001
