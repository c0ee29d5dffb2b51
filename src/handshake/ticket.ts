import { concat, equalBytes, utf8 } from '../bytes/index.js'
import { AeadKey, aeadAlgorithms, type Entropy, hash, MacKey, NONCE_LENGTH } from '../crypto/index.js'
import { MisuseError } from './alert.js'
import { decodeTicketState, encodeTicketState, type TicketState } from './session.js'

/** Seals and opens tickets that hold the whole state of a session (RFC 5077 §4 in spirit): the server keeps nothing,
 *  and servers that share the keys can resume each other's sessions. */
export class TicketIssuer {
  readonly #entropy: Entropy
  #keys: readonly TicketKey[]
  /** Since when our own key seals, in ms since 1970; null until it does, undefined if the keys are not our own. */
  #ownSince: number | null | undefined
  /** How long a ticket may be used, in seconds; at most 7 days (RFC 8446 §4.6.1). */
  readonly lifetimeSeconds: number
  /** How many tickets are sent after a handshake; one at most after a resumption. */
  readonly count: number

  /** @param keys 48 bytes or more of key material each, the first seals, all open; undefined: random keys, which the
   *  issuer replaces itself, each after a ticket's lifetime */
  constructor(
    entropy: Entropy,
    options: { readonly keys?: readonly Uint8Array[]; readonly lifetimeSeconds?: number; readonly count?: number } = {},
  ) {
    this.#entropy = entropy
    this.#keys = (options.keys ?? [entropy.bytes(TICKET_KEY_LENGTH)]).map(toTicketKey)
    this.#ownSince = options.keys ? undefined : null
    this.lifetimeSeconds = options.lifetimeSeconds ?? 7200
    this.count = options.count ?? 2
    if (this.#keys.length === 0) throw new MisuseError('a ticket issuer needs a key')
    if (!(this.lifetimeSeconds > 0 && this.lifetimeSeconds <= MAX_LIFETIME_SECONDS)) {
      throw new MisuseError(`a ticket lives 1..${MAX_LIFETIME_SECONDS} seconds, not ${this.lifetimeSeconds}`)
    }
  }

  /** Seals with `keys[0]` from now on and opens with all of them: rotate by putting a new key in front, and by leaving
   *  out those whose tickets have all expired. */
  rotate(keys: readonly Uint8Array[]): void {
    if (keys.length === 0) throw new MisuseError('a ticket issuer needs a key')
    this.#keys = keys.map(toTicketKey)
    this.#ownSince = undefined
  }

  /** A ticket: key name (16), nonce (12), sealed state. */
  seal(state: TicketState): Uint8Array {
    this.#replaceOwnKey(Number(state.issuedAt))
    const key = this.#keys[0]
    if (!key) throw new MisuseError('a ticket issuer needs a key')
    const plaintext = encodeTicketState(state)
    const nonce = this.#entropy.bytes(NONCE_LENGTH)
    const ticket = new Uint8Array(HEADER_LENGTH + plaintext.length + 16)
    ticket.set(key.name)
    ticket.set(nonce, key.name.length)
    key.aead.seal(nonce, key.name, plaintext, ticket, HEADER_LENGTH)
    return ticket
  }

  /** @returns null for anything that is no ticket of ours: unknown key, tampered, or of another version */
  open(ticket: Uint8Array): TicketState | null {
    if (ticket.length < HEADER_LENGTH + 16) return null
    const name = ticket.subarray(0, NAME_LENGTH)
    const key = this.#keys.find(candidate => equalBytes(candidate.name, name))
    const plaintext = key?.aead.open(ticket.subarray(NAME_LENGTH, HEADER_LENGTH), name, ticket.subarray(HEADER_LENGTH))
    return plaintext ? decodeTicketState(plaintext) : null
  }

  /** A key of ours seals for one lifetime of a ticket and opens for one more. */
  #replaceOwnKey(now: number): void {
    if (this.#ownSince === undefined) return
    this.#ownSince ??= now
    if (now - this.#ownSince < this.lifetimeSeconds * 1000) return
    this.#ownSince = now
    for (const { aead } of this.#keys.slice(1)) aead.wipe()
    this.#keys = [toTicketKey(this.#entropy.bytes(TICKET_KEY_LENGTH)), ...this.#keys.slice(0, 1)]
  }
}

/** The least key material of a ticket key, in bytes: as much as the `ticketKeys` of node:tls. */
export const TICKET_KEY_LENGTH = 48
const MAX_LIFETIME_SECONDS = 604_800
const NAME_LENGTH = 16
const HEADER_LENGTH = NAME_LENGTH + NONCE_LENGTH

interface TicketKey {
  readonly name: Uint8Array
  readonly aead: AeadKey
}

function toTicketKey(material: Uint8Array): TicketKey {
  if (material.length < TICKET_KEY_LENGTH) {
    throw new MisuseError(`a ticket key has at least ${TICKET_KEY_LENGTH} bytes, not ${material.length}`)
  }
  const prk = new MacKey('sha256', hash('sha256', utf8('ticket key'), material))
  const keys = prk.expand(utf8('name and key'), NAME_LENGTH + 32)
  return {
    name: concat(keys.subarray(0, NAME_LENGTH)),
    aead: new AeadKey(aeadAlgorithms.aes256gcm, keys.subarray(NAME_LENGTH)),
  }
}
