import { concat, DecodeError, decode, encode, fixed, opaque, struct, uint16 } from '../bytes/index.js'
import { type Entropy, equalSecrets, MacKey } from '../crypto/index.js'
import { type SentRetry, suiteOf } from '../handshake/index.js'

/** What a cookie says: all that a server has to know of a ClientHello that it has forgotten. */
const Cookie = struct({
  cipherSuite: uint16,
  /** 0 for none. */
  group: uint16,
  helloHash: opaque(32, 64),
  constantHash: fixed(32),
})

/** Makes the cookies of stateless HelloRetryRequests and knows them again (RFC 8446 §4.2.2, RFC 9147 §5.1). They are good
 *  for the address that they were sent to, and for one lifetime of a key at least. */
export class CookieIssuer {
  readonly #entropy: Entropy
  readonly #lifetime: number
  #keys: readonly MacKey[] = []
  #since = Number.NEGATIVE_INFINITY

  /** @param lifetime ms for which a key makes cookies; for as long again it knows them */
  constructor(entropy: Entropy, lifetime = 60_000) {
    this.#entropy = entropy
    this.#lifetime = lifetime
  }

  /** @param address of the client, in any form that is not the same for another */
  issue(sent: Omit<SentRetry, 'cookie'>, address: Uint8Array, now: number): Uint8Array {
    this.#rotate(now)
    const body = encode(Cookie, {
      cipherSuite: sent.suite.id,
      group: sent.group ?? 0,
      helloHash: sent.helloHash,
      constantHash: sent.constantHash,
    })
    const [key] = this.#keys
    if (!key) throw new Error('there is no key for cookies')
    return concat(macOf(key, address, body), body)
  }

  /** @returns null for anything that is no cookie of ours for that address, or is too old */
  open(cookie: Uint8Array, address: Uint8Array, now: number): SentRetry | null {
    this.#rotate(now)
    const mac = cookie.subarray(0, MAC_LENGTH)
    const body = cookie.subarray(MAC_LENGTH)
    if (!this.#keys.some(key => equalSecrets(macOf(key, address, body), mac))) return null
    try {
      const { cipherSuite, group, helloHash, constantHash } = decode(Cookie, body)
      const suite = suiteOf(cipherSuite)
      if (!suite) return null
      return {
        suite,
        group: group === 0 ? undefined : group,
        cookie: Uint8Array.from(cookie),
        helloHash: Uint8Array.from(helloHash),
        constantHash: Uint8Array.from(constantHash),
      }
    } catch (error) {
      if (error instanceof DecodeError) return null
      throw error
    }
  }

  #rotate(now: number): void {
    const age = now - this.#since
    if (age < this.#lifetime) return
    const kept = age < 2 * this.#lifetime ? this.#keys.slice(0, 1) : []
    this.#keys = [new MacKey('sha256', this.#entropy.bytes(MAC_LENGTH)), ...kept]
    this.#since = now
  }
}

const MAC_LENGTH = 32

function macOf(key: MacKey, address: Uint8Array, body: Uint8Array): Uint8Array {
  return key.mac(concat(encode(uint16, address.length), address, body))
}
