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

/** Early Secret: what a PSK alone gives. */
export class EarlySecret {
  readonly #secret: MacKey
  #salt: Uint8Array | undefined

  /** @param psk null for a handshake without PSK */
  constructor(hash: HashName, psk: Uint8Array | null) {
    this.#secret = new MacKey(hash, hkdfExtract(hash, null, psk))
  }

  /** The Early Secret of every handshake without PSK: it is no secret and always the same. */
  static withoutPsk(hash: HashName): EarlySecret {
    let early = withoutPsk.get(hash)
    if (!early) {
      early = new EarlySecret(hash, null)
      withoutPsk.set(hash, early)
    }
    return early
  }

  /** The key of a PSK binder (RFC 8446 §4.2.11.2). */
  binderKey(kind: 'external' | 'resumption' | 'imported'): TrafficSecret {
    const label = kind === 'external' ? 'ext binder' : kind === 'imported' ? 'imp binder' : 'res binder'
    return new TrafficSecret(deriveSecret(this.#secret, label, emptyHash(this.#secret.hash)))
  }

  /** client_early_traffic_secret. @param helloHash hash of the ClientHello */
  clientEarlyTraffic(helloHash: Uint8Array): TrafficSecret {
    return new TrafficSecret(deriveSecret(this.#secret, 'c e traffic', helloHash))
  }

  /** early_exporter_master_secret. @param helloHash hash of the ClientHello */
  earlyExporter(helloHash: Uint8Array): Exporter {
    return new Exporter(deriveSecret(this.#secret, 'e exp master', helloHash))
  }

  /** The next stage. @param sharedSecret of (EC)DHE; null for psk_ke */
  handshakeSecret(sharedSecret: Uint8Array | null): HandshakeSecret {
    this.#salt ??= nextSalt(this.#secret)
    return new HandshakeSecret(new MacKey(this.#secret.hash, hkdfExtract(this.#secret.hash, this.#salt, sharedSecret)))
  }
}

const withoutPsk = new Map<HashName, EarlySecret>()

/** Handshake Secret: what (EC)DHE adds. */
export class HandshakeSecret {
  readonly #secret: MacKey

  constructor(secret: MacKey) {
    this.#secret = secret
  }

  /** {client,server}_handshake_traffic_secret. @param helloHash hash of ClientHello...ServerHello */
  traffic(side: 'client' | 'server', helloHash: Uint8Array): TrafficSecret {
    return new TrafficSecret(deriveSecret(this.#secret, side === 'client' ? 'c hs traffic' : 's hs traffic', helloHash))
  }

  /** The Handshake Exporter: the exporter of RFC 8446 §7.5 over
   *  Derive-Secret(Handshake Secret, "h exp master", ClientHello...ServerHello). It is there before authentication,
   *  so that a credential can be bound to the key exchange that it is sent in. */
  handshakeExporter(helloHash: Uint8Array): Exporter {
    return new Exporter(deriveSecret(this.#secret, 'h exp master', helloHash))
  }

  mainSecret(): MainSecret {
    return new MainSecret(new MacKey(this.#secret.hash, hkdfExtract(this.#secret.hash, nextSalt(this.#secret), null)))
  }
}

/** Master Secret: everything that outlives the handshake. */
export class MainSecret {
  readonly #secret: MacKey

  constructor(secret: MacKey) {
    this.#secret = secret
  }

  /** {client,server}_application_traffic_secret_0. @param finishedHash hash of ClientHello...server Finished */
  traffic(side: 'client' | 'server', finishedHash: Uint8Array): TrafficSecret {
    return new TrafficSecret(
      deriveSecret(this.#secret, side === 'client' ? 'c ap traffic' : 's ap traffic', finishedHash),
    )
  }

  /** exporter_master_secret. @param finishedHash hash of ClientHello...server Finished */
  exporter(finishedHash: Uint8Array): Exporter {
    return new Exporter(deriveSecret(this.#secret, 'exp master', finishedHash))
  }

  /** resumption_master_secret. @param finishedHash hash of ClientHello...client Finished */
  resumption(finishedHash: Uint8Array): ResumptionSecret {
    return new ResumptionSecret(deriveSecret(this.#secret, 'res master', finishedHash))
  }
}

/** A traffic secret: keys for records, the key of Finished, and its own successor. */
export class TrafficSecret {
  readonly #secret: MacKey

  constructor(secret: MacKey) {
    this.#secret = secret
  }

  get hash(): HashName {
    return this.#secret.hash
  }

  /** Key of the AEAD (RFC 8446 §7.3). @returns `length` bytes */
  key(length: number): Uint8Array {
    return expandLabel(this.#secret, 'key', EMPTY, length)
  }

  /** Static IV of the records (RFC 8446 §7.3). @returns 12 bytes */
  iv(): Uint8Array {
    return expandLabel(this.#secret, 'iv', EMPTY, 12)
  }

  /** verify_data of Finished, or a PSK binder (RFC 8446 §4.4.4).
   *  @param transcriptHash Hash.length bytes   @returns Hash.length bytes */
  verifyData(transcriptHash: Uint8Array): Uint8Array {
    const { hash } = this.#secret
    return new MacKey(hash, expandLabel(this.#secret, 'finished', EMPTY, hashLength[hash])).mac(transcriptHash)
  }

  /** Whether `received` is the verify_data due, in constant time. */
  isVerifyData(transcriptHash: Uint8Array, received: Uint8Array): boolean {
    return equalSecrets(this.verifyData(transcriptHash), received)
  }

  /** application_traffic_secret_N+1 (RFC 8446 §7.2). */
  next(): TrafficSecret {
    const { hash } = this.#secret
    return new TrafficSecret(new MacKey(hash, expandLabel(this.#secret, 'traffic upd', EMPTY, hashLength[hash])))
  }

  /** The secret itself, for the key log. */
  export(): Uint8Array {
    return this.#secret.export()
  }
}

/** An exporter (RFC 8446 §7.5). */
export class Exporter {
  readonly #secret: MacKey

  constructor(secret: MacKey) {
    this.#secret = secret
  }

  /** TLS-Exporter(label, context, length).
   *  @param context an absent context is the empty one   @throws RangeError if length > 255 * Hash.length */
  derive(label: string, context: Uint8Array, length: number): Uint8Array {
    const name = this.#secret.hash
    const perLabel = deriveSecret(this.#secret, label, emptyHash(name))
    return expandLabel(perLabel, 'exporter', hash(name, context), length)
  }

  /** The secret itself, for the key log. */
  export(): Uint8Array {
    return this.#secret.export()
  }
}

/** resumption_master_secret: makes the PSK of each ticket. */
export class ResumptionSecret {
  readonly #secret: MacKey

  constructor(secret: MacKey) {
    this.#secret = secret
  }

  /** The PSK of a ticket (RFC 8446 §4.6.1). @param nonce ticket_nonce, 0..255 bytes   @returns Hash.length bytes */
  psk(nonce: Uint8Array): Uint8Array {
    return expandLabel(this.#secret, 'resumption', nonce, hashLength[this.#secret.hash])
  }
}

/** HKDF-Expand-Label (RFC 8446 §7.1).
 *  @param context at most 255 bytes, usually a transcript hash
 *  @returns `length` bytes   @throws RangeError if length > 255 * Hash.length */
export function expandLabel(secret: MacKey, label: string, context: Uint8Array, length: number): Uint8Array {
  return secret.expand(hkdfLabel(label, context, length), length)
}

/** RFC 8446 §7.1 wants 7 bytes of label or more, but an exporter's may be empty. */
const HkdfLabel = struct({ length: uint16, label: opaque(6, 255), context: opaque(0, 255) })

/** HkdfLabel is the same bytes for every connection where the context is empty, so those are kept. */
function hkdfLabel(label: string, context: Uint8Array, length: number): Uint8Array {
  const prefix = prefixOf(label, length)
  if (context.length === 0) return prefix
  const info = new Uint8Array(prefix.length + context.length)
  info.set(prefix)
  info.set(context, prefix.length)
  info[prefix.length - 1] = context.length
  return info
}

function prefixOf(label: string, length: number): Uint8Array {
  const known = prefixes.get(label)?.find(prefix => ((prefix[0] << 8) | prefix[1]) === length)
  if (known) return known
  const made = encode(HkdfLabel, { length, label: concat(TLS13, utf8(label)), context: EMPTY })
  // Labels of exporters and their lengths come from callers: keep a bounded number.
  const others = prefixes.get(label) ?? []
  if (prefixes.size < 64 && others.length < 4) prefixes.set(label, [...others, made])
  return made
}
const prefixes = new Map<string, readonly Uint8Array[]>()
const TLS13 = utf8('tls13 ')

/** Derive-Secret(Secret, Label, Messages) (RFC 8446 §7.1), given the hash of the messages. */
function deriveSecret(secret: MacKey, label: string, messagesHash: Uint8Array): MacKey {
  return new MacKey(secret.hash, expandLabel(secret, label, messagesHash, hashLength[secret.hash]))
}

/** What a stage gives to the next one. */
function nextSalt(secret: MacKey): Uint8Array {
  return expandLabel(secret, 'derived', emptyHash(secret.hash), hashLength[secret.hash])
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
