import { concat, EMPTY, encode, opaque, struct, uint16, utf8 } from '../bytes/index.js'
import { equalSecrets, type HashName, hash, hashLength, hkdfExtract, MacKey } from '../crypto/index.js'

/*
 * RFC 8446 §7.1:
 *
 *                    0
 *                    |
 *                    v
 *          PSK ->  HKDF-Extract = Early Secret
 *                    |
 *                    +-----> Derive-Secret(., "ext binder" | "res binder", "")
 *                    |                     = binder_key
 *                    +-----> Derive-Secret(., "c e traffic", ClientHello)
 *                    |                     = client_early_traffic_secret
 *                    +-----> Derive-Secret(., "e exp master", ClientHello)
 *                    |                     = early_exporter_master_secret
 *                    v
 *              Derive-Secret(., "derived", "")
 *                    |
 *                    v
 *    (EC)DHE ->  HKDF-Extract = Handshake Secret
 *                    |
 *                    +-----> Derive-Secret(., "c hs traffic", ClientHello...ServerHello)
 *                    |                     = client_handshake_traffic_secret
 *                    +-----> Derive-Secret(., "s hs traffic", ClientHello...ServerHello)
 *                    |                     = server_handshake_traffic_secret
 *                    v
 *              Derive-Secret(., "derived", "")
 *                    |
 *                    v
 *           0 ->  HKDF-Extract = Master Secret
 *                    |
 *                    +-----> Derive-Secret(., "c ap traffic", ClientHello...server Finished)
 *                    |                     = client_application_traffic_secret_0
 *                    +-----> Derive-Secret(., "s ap traffic", ClientHello...server Finished)
 *                    |                     = server_application_traffic_secret_0
 *                    +-----> Derive-Secret(., "exp master", ClientHello...server Finished)
 *                    |                     = exporter_master_secret
 *                    +-----> Derive-Secret(., "res master", ClientHello...client Finished)
 *                                          = resumption_master_secret
 */

/** What every label begins with: that of RFC 8446 §7.1, or that of RFC 9147 §5.9, which has no space behind it. */
export type LabelPrefix = 'tls13 ' | 'dtls13'

/** Where a PSK comes from: its binder says so (RFC 8446 §7.1, RFC 9258 §5.2). */
export type BinderKind = 'external' | 'resumption' | 'imported'

/** Early Secret: what a PSK alone gives. */
export class EarlySecret {
  readonly #secret: MacKey
  readonly #prefix: LabelPrefix
  #salt: Uint8Array | undefined

  /** @param psk null for a handshake without PSK */
  constructor(hash: HashName, psk: Uint8Array | null, prefix: LabelPrefix = 'tls13 ') {
    this.#secret = new MacKey(hash, hkdfExtract(hash, null, psk))
    this.#prefix = prefix
  }

  /** The Early Secret of every handshake without PSK: it is no secret and always the same. */
  static withoutPsk(hash: HashName, prefix: LabelPrefix = 'tls13 '): EarlySecret {
    let early = withoutPsk[prefix].get(hash)
    if (!early) {
      early = new EarlySecret(hash, null, prefix)
      withoutPsk[prefix].set(hash, early)
    }
    return early
  }

  /** The key of a PSK binder (RFC 8446 §4.2.11.2). */
  binderKey(kind: BinderKind): TrafficSecret {
    const label = kind === 'external' ? 'ext binder' : kind === 'imported' ? 'imp binder' : 'res binder'
    return new TrafficSecret(
      deriveSecret(this.#prefix, this.#secret, label, emptyHash(this.#secret.hash)),
      this.#prefix,
    )
  }

  /** client_early_traffic_secret. @param helloHash hash of the ClientHello */
  clientEarlyTraffic(helloHash: Uint8Array): TrafficSecret {
    return new TrafficSecret(deriveSecret(this.#prefix, this.#secret, 'c e traffic', helloHash), this.#prefix)
  }

  /** early_exporter_master_secret. @param helloHash hash of the ClientHello */
  earlyExporter(helloHash: Uint8Array): Exporter {
    return new Exporter(deriveSecret(this.#prefix, this.#secret, 'e exp master', helloHash), this.#prefix)
  }

  /** The next stage. @param sharedSecret of (EC)DHE; null for psk_ke */
  handshakeSecret(sharedSecret: Uint8Array | null): HandshakeSecret {
    const { hash } = this.#secret
    this.#salt ??= nextSalt(this.#prefix, this.#secret)
    return new HandshakeSecret(new MacKey(hash, hkdfExtract(hash, this.#salt, sharedSecret)), this.#prefix)
  }
}

const withoutPsk: Readonly<Record<LabelPrefix, Map<HashName, EarlySecret>>> = {
  'tls13 ': new Map(),
  dtls13: new Map(),
}

/** Handshake Secret: what (EC)DHE adds. */
export class HandshakeSecret {
  readonly #secret: MacKey
  readonly #prefix: LabelPrefix

  constructor(secret: MacKey, prefix: LabelPrefix = 'tls13 ') {
    this.#secret = secret
    this.#prefix = prefix
  }

  /** {client,server}_handshake_traffic_secret. @param helloHash hash of ClientHello...ServerHello */
  traffic(side: 'client' | 'server', helloHash: Uint8Array): TrafficSecret {
    return new TrafficSecret(
      deriveSecret(this.#prefix, this.#secret, side === 'client' ? 'c hs traffic' : 's hs traffic', helloHash),
      this.#prefix,
    )
  }

  /** The Handshake Exporter: the exporter of RFC 8446 §7.5 over
   *  Derive-Secret(Handshake Secret, "h exp master", ClientHello...ServerHello). It is there before authentication,
   *  so that a credential can be bound to the key exchange that it is sent in. */
  handshakeExporter(helloHash: Uint8Array): Exporter {
    return new Exporter(deriveSecret(this.#prefix, this.#secret, 'h exp master', helloHash), this.#prefix)
  }

  mainSecret(): MainSecret {
    const { hash } = this.#secret
    const salt = nextSalt(this.#prefix, this.#secret)
    const main = new MainSecret(new MacKey(hash, hkdfExtract(hash, salt, null)), this.#prefix)
    salt.fill(0)
    return main
  }

  /** Nothing is derived any more: the bytes are overwritten. */
  wipe(): void {
    this.#secret.wipe()
  }
}

/** Master Secret: everything that outlives the handshake. */
export class MainSecret {
  readonly #secret: MacKey
  readonly #prefix: LabelPrefix

  constructor(secret: MacKey, prefix: LabelPrefix = 'tls13 ') {
    this.#secret = secret
    this.#prefix = prefix
  }

  /** {client,server}_application_traffic_secret_0. @param finishedHash hash of ClientHello...server Finished */
  traffic(side: 'client' | 'server', finishedHash: Uint8Array): TrafficSecret {
    return new TrafficSecret(
      deriveSecret(this.#prefix, this.#secret, side === 'client' ? 'c ap traffic' : 's ap traffic', finishedHash),
      this.#prefix,
    )
  }

  /** exporter_master_secret. @param finishedHash hash of ClientHello...server Finished */
  exporter(finishedHash: Uint8Array): Exporter {
    return new Exporter(deriveSecret(this.#prefix, this.#secret, 'exp master', finishedHash), this.#prefix)
  }

  /** resumption_master_secret. @param finishedHash hash of ClientHello...client Finished */
  resumption(finishedHash: Uint8Array): ResumptionSecret {
    return new ResumptionSecret(deriveSecret(this.#prefix, this.#secret, 'res master', finishedHash), this.#prefix)
  }

  /** Nothing is derived any more: the bytes are overwritten. */
  wipe(): void {
    this.#secret.wipe()
  }
}

/** A traffic secret: keys for records, the key of Finished, and its own successor. */
export class TrafficSecret {
  readonly #secret: MacKey
  readonly #prefix: LabelPrefix

  constructor(secret: MacKey, prefix: LabelPrefix = 'tls13 ') {
    this.#secret = secret
    this.#prefix = prefix
  }

  get hash(): HashName {
    return this.#secret.hash
  }

  /** Key of the AEAD (RFC 8446 §7.3). @returns `length` bytes */
  key(length: number): Uint8Array {
    return expandLabel(this.#prefix, this.#secret, 'key', EMPTY, length)
  }

  /** Static IV of the records (RFC 8446 §7.3). @returns 12 bytes */
  iv(): Uint8Array {
    return expandLabel(this.#prefix, this.#secret, 'iv', EMPTY, 12)
  }

  /** Key of the encryption of record numbers (RFC 9147 §4.2.3). @returns `length` bytes */
  recordNumberKey(length: number): Uint8Array {
    return expandLabel(this.#prefix, this.#secret, 'sn', EMPTY, length)
  }

  /** verify_data of Finished, or a PSK binder (RFC 8446 §4.4.4).
   *  @param transcriptHash Hash.length bytes   @returns Hash.length bytes */
  verifyData(transcriptHash: Uint8Array): Uint8Array {
    const { hash } = this.#secret
    const key = new MacKey(hash, expandLabel(this.#prefix, this.#secret, 'finished', EMPTY, hashLength[hash]))
    const verifyData = key.mac(transcriptHash)
    key.wipe()
    return verifyData
  }

  /** Whether `received` is the verify_data due, in constant time. */
  isVerifyData(transcriptHash: Uint8Array, received: Uint8Array): boolean {
    return equalSecrets(this.verifyData(transcriptHash), received)
  }

  /** application_traffic_secret_N+1 (RFC 8446 §7.2). */
  next(): TrafficSecret {
    const { hash } = this.#secret
    return new TrafficSecret(
      new MacKey(hash, expandLabel(this.#prefix, this.#secret, 'traffic upd', EMPTY, hashLength[hash])),
      this.#prefix,
    )
  }

  /** The next one in place of this one, which is wiped. */
  replace(): TrafficSecret {
    const next = this.next()
    this.wipe()
    return next
  }

  /** The secret itself, for the key log. */
  export(): Uint8Array {
    return this.#secret.export()
  }

  /** Nothing is derived any more: the bytes are overwritten. */
  wipe(): void {
    this.#secret.wipe()
  }
}

/** An exporter (RFC 8446 §7.5). */
export class Exporter {
  readonly #secret: MacKey
  readonly #prefix: LabelPrefix

  constructor(secret: MacKey, prefix: LabelPrefix = 'tls13 ') {
    this.#secret = secret
    this.#prefix = prefix
  }

  /** TLS-Exporter(label, context, length).
   *  @param context an absent context is the empty one   @throws RangeError if length > 255 * Hash.length */
  derive(label: string, context: Uint8Array, length: number): Uint8Array {
    const name = this.#secret.hash
    const perLabel = deriveSecret(this.#prefix, this.#secret, label, emptyHash(name))
    return expandLabel(this.#prefix, perLabel, 'exporter', hash(name, context), length)
  }

  /** The secret itself, for the key log. */
  export(): Uint8Array {
    return this.#secret.export()
  }
}

/** resumption_master_secret: makes the PSK of each ticket. */
export class ResumptionSecret {
  readonly #secret: MacKey
  readonly #prefix: LabelPrefix

  constructor(secret: MacKey, prefix: LabelPrefix = 'tls13 ') {
    this.#secret = secret
    this.#prefix = prefix
  }

  /** The PSK of a ticket (RFC 8446 §4.6.1). @param nonce ticket_nonce, 0..255 bytes   @returns Hash.length bytes */
  psk(nonce: Uint8Array): Uint8Array {
    return expandLabel(this.#prefix, this.#secret, 'resumption', nonce, hashLength[this.#secret.hash])
  }
}

/** HKDF-Expand-Label (RFC 8446 §7.1).
 *  @param context at most 255 bytes, usually a transcript hash
 *  @returns `length` bytes   @throws RangeError if length > 255 * Hash.length */
export function expandLabel(
  prefix: LabelPrefix,
  secret: MacKey,
  label: string,
  context: Uint8Array,
  length: number,
): Uint8Array {
  const start = startOf(prefix, label, length)
  const info = context.length === 0 ? start : withContext(start, context)
  const size = hashLength[secret.hash]
  if (length > size) return secret.expand(info.subarray(0, -1), length)
  // RFC 5869 §2.3: the first block is HMAC(PRK, info || 0x01), and one block is all that the key schedule asks for.
  const block = secret.mac(info)
  if (length === size) return block
  // Not a part of it, for which V8 would move a short block out of its heap.
  const output = block.slice(0, length)
  block.fill(0)
  return output
}

/** RFC 8446 §7.1 wants 7 bytes of label or more, but an exporter's may be empty. */
const HkdfLabel = struct({ length: uint16, label: opaque(6, 255), context: opaque(0, 255) })

/** HkdfLabel without context, and the number of the first block behind it: the same bytes for every connection. */
function startOf(prefix: LabelPrefix, label: string, length: number): Uint8Array {
  const known = starts[prefix].get(label)
  if (known) for (const start of known) if (((start[0] << 8) | start[1]) === length) return start
  const made = concat(encode(HkdfLabel, { length, label: utf8(prefix + label), context: EMPTY }), Uint8Array.of(1))
  // Labels of exporters and their lengths come from callers: keep a bounded number.
  const others = known ?? []
  if (starts[prefix].size < 64 && others.length < 4) starts[prefix].set(label, [...others, made])
  return made
}

/** The same with a context, which stands between its length and the number of the block. */
function withContext(start: Uint8Array, context: Uint8Array): Uint8Array {
  const at = start.length - 1
  const info = new Uint8Array(start.length + context.length)
  info.set(start)
  info[at - 1] = context.length
  info.set(context, at)
  info[info.length - 1] = 1
  return info
}
const starts: Readonly<Record<LabelPrefix, Map<string, readonly Uint8Array[]>>> = {
  'tls13 ': new Map(),
  dtls13: new Map(),
}

/** Derive-Secret(Secret, Label, Messages) (RFC 8446 §7.1), given the hash of the messages. */
function deriveSecret(prefix: LabelPrefix, secret: MacKey, label: string, messagesHash: Uint8Array): MacKey {
  return new MacKey(secret.hash, expandLabel(prefix, secret, label, messagesHash, hashLength[secret.hash]))
}

/** What a stage gives to the next one. */
function nextSalt(prefix: LabelPrefix, secret: MacKey): Uint8Array {
  return expandLabel(prefix, secret, 'derived', emptyHash(secret.hash), hashLength[secret.hash])
}

/** Transcript-Hash(""). */
function emptyHash(name: HashName): Uint8Array {
  return EMPTY_HASHES[name]
}
const EMPTY_HASHES: Readonly<Record<HashName, Uint8Array>> = {
  sha256: hash('sha256'),
  sha384: hash('sha384'),
  sha512: hash('sha512'),
}
