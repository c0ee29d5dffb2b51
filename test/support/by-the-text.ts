import { createHash, createHmac } from 'node:crypto'

/*
 * What the profiles put under signatures, once more: straight from the texts, with node:crypto and nothing of the
 * package. Strings are put together by hand, so that a mistake would have to be made twice.
 */

export type Bytes = Uint8Array

export const u8 = (n: number) => Buffer.from([n])
export const u16 = (n: number) => Buffer.from([n >> 8, n & 255])
export const u32 = (n: number) => Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255])
/** Vectors with lengths of one and of two bytes. */
export const v8 = (x: Bytes) => Buffer.concat([u8(x.length), x])
export const v16 = (x: Bytes) => Buffer.concat([u16(x.length), x])
const ascii = (text: string) => Buffer.from(text, 'latin1')

/** The key schedule of RFC 8446 §7.1, for TLS and, with its own labels, for DTLS (RFC 9147 §5.9). */
export class KeyScheduleByTheText {
  readonly #hash: string
  readonly #prefix: string
  readonly length: number

  constructor(hash: 'sha256' | 'sha384', transport: 'tls' | 'dtls') {
    this.#hash = hash
    this.#prefix = transport === 'tls' ? 'tls13 ' : 'dtls13'
    this.length = hash === 'sha256' ? 32 : 48
  }

  digest(...parts: readonly Bytes[]): Buffer {
    return createHash(this.#hash).update(Buffer.concat(parts)).digest()
  }

  mac(key: Bytes, ...parts: readonly Bytes[]): Buffer {
    return createHmac(this.#hash, key).update(Buffer.concat(parts)).digest()
  }

  /** HKDF-Expand-Label: HKDF-Expand (RFC 5869 §2.3) over HkdfLabel. */
  expandLabel(secret: Bytes, label: string, context: Bytes, length: number): Buffer {
    const info = Buffer.concat([u16(length), v8(ascii(this.#prefix + label)), v8(context)])
    const blocks: Buffer[] = []
    for (let i = 1; blocks.length * this.length < length; i++) {
      blocks.push(this.mac(secret, blocks.at(-1) ?? Buffer.alloc(0), info, u8(i)))
    }
    return Buffer.concat(blocks).subarray(0, length)
  }

  deriveSecret(secret: Bytes, label: string, transcriptHash: Bytes): Buffer {
    return this.expandLabel(secret, label, transcriptHash, this.length)
  }

  /** Handshake Secret. @param shared the (EC)DHE secret */
  handshakeSecret(shared: Bytes): Buffer {
    const zeros = Buffer.alloc(this.length)
    const early = this.mac(zeros, zeros)
    return this.mac(this.deriveSecret(early, 'derived', this.digest()), shared)
  }

  mainSecret(handshakeSecret: Bytes): Buffer {
    return this.mac(this.deriveSecret(handshakeSecret, 'derived', this.digest()), Buffer.alloc(this.length))
  }

  /** TLS-Exporter (RFC 8446 §7.5) over a secret of an exporter. */
  exporter(secret: Bytes, label: string, context: Bytes, length: number): Buffer {
    return this.expandLabel(this.deriveSecret(secret, label, this.digest()), 'exporter', this.digest(context), length)
  }

  /** exporter_master_secret. @param transcript ClientHello...server Finished */
  exporterSecret(handshakeSecret: Bytes, transcript: Bytes): Buffer {
    return this.deriveSecret(this.mainSecret(handshakeSecret), 'exp master', transcript)
  }

  /** TLS-Handshake-Exporter (draft-fossati-tls-attestation-08 §6). @param transcript hash of ClientHello...ServerHello */
  handshakeExporter(handshakeSecret: Bytes, transcript: Bytes, label: string, context: Bytes, length: number): Buffer {
    return this.exporter(this.deriveSecret(handshakeSecret, 'h exp master', transcript), label, context, length)
  }

  /** Transcript-Hash (RFC 8446 §4.4.1): the ClientHello before a HelloRetryRequest stands there as its hash. */
  transcript(messages: readonly Bytes[]): Buffer {
    const [first = Buffer.alloc(0), second, ...others] = messages
    if (!second || !isRetry(second)) return this.digest(...messages)
    return this.digest(Buffer.concat([Buffer.from([254, 0, 0, this.length]), this.digest(first)]), second, ...others)
  }
}

/** Whether a ServerHello is a HelloRetryRequest: its random is SHA-256("HelloRetryRequest"). */
export function isRetry(message: Bytes): boolean {
  const random = createHash('sha256').update('HelloRetryRequest').digest()
  return message[0] === 2 && random.equals(message.subarray(6, 38))
}

export interface Rd0ByTheText {
  readonly role: number
  readonly credentialKind: number
  readonly cipherSuite: number
  readonly group: number
  readonly nonce: Bytes
  readonly binder: Bytes
  readonly spki: Bytes
  readonly evidenceType: Bytes
}

export function rd0ByTheText(of: Rd0ByTheText): Buffer {
  return sha512(
    ascii('ATLS-H1/0\0'),
    u8(of.role),
    u8(of.credentialKind),
    u16(of.cipherSuite),
    u16(of.group),
    v8(of.nonce),
    v8(of.binder),
    v16(of.spki),
    v16(of.evidenceType),
  )
}

export interface CtxByTheText {
  readonly role: number
  readonly phase: number
  readonly version: number
  readonly cipherSuite: number
  readonly group: number
  readonly seq: number
  readonly requestHash: Bytes
  readonly transcriptHash: Bytes
  readonly tlsSpki: Bytes
  readonly aikSpki: Bytes
  readonly relyingPartySpki: Bytes
  readonly serverName: Bytes
  readonly evidenceType: Bytes
  readonly previous: Bytes
}

export function ctxByTheText(of: CtxByTheText): Buffer {
  return Buffer.concat([
    v8(ascii('ATLS-H1/1')),
    u8(of.role),
    u8(of.phase),
    u16(of.version),
    u16(of.cipherSuite),
    u16(of.group),
    u32(of.seq),
    v8(of.requestHash),
    v8(of.transcriptHash),
    v8(of.tlsSpki),
    v8(of.aikSpki),
    v8(of.relyingPartySpki),
    v8(of.serverName),
    v16(of.evidenceType),
    of.previous,
  ])
}

export const EKM_LABELS = {
  client: 'EXPORTER-ATLS-H1 client attester',
  server: 'EXPORTER-ATLS-H1 server attester',
} as const
export const ACCEPT_LABEL = 'EXPORTER-ATLS-H1 accept'

export function rdByTheText(ctx: Bytes, ekm: Bytes): Buffer {
  return sha512(ascii('ATLS-H1 report_data\0'), v16(ctx), ekm)
}

/** ACCEPT. @param key exported under ACCEPT_LABEL, with CTX */
export function acceptByTheText(schedule: KeyScheduleByTheText, key: Bytes, seq: number, rd: Bytes): Buffer {
  return schedule.mac(key, u32(seq), rd)
}

function sha512(...parts: readonly Bytes[]): Buffer {
  return createHash('sha512').update(Buffer.concat(parts)).digest()
}
