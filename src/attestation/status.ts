import { hex } from '../bytes/index.js'
import { hash, type PublicKey } from '../crypto/index.js'
import type { AttestationResult } from '../rats/index.js'
import { type BindingLevel, bindingMeanings } from './binding-level.js'
import type { AttestationCredential, AttestationModel } from './options.js'
import type { ProfileName } from './profile.js'

/** How attestation stands on a connection, as `socket.attestation` shows it. It changes while the handshake runs, and
 *  under `hardened` with every renewal. */
export interface AttestationStatus {
  readonly profile: ProfileName
  /** Whether the connection resumes one on which all of this was established. */
  readonly isResumed: boolean
  /** Whether the peer was attested and found good, and has proved that it holds the attested key. */
  readonly isAttested: boolean
  /** How strongly the peer's attestation is bound to this connection. */
  readonly bindingLevel: BindingLevel
  /** What that level is worth, as a sentence. */
  readonly bindingMeaning: string
  /** How often the peer has attested over the finished handshake: once before any data, and with every renewal. 0 under
   *  `draft08`. */
  readonly rounds: number
  /** When it did last, ms since 1970; null if it never did. */
  readonly renewedAt: number | null
  /** SHA-256 of the SubjectPublicKeyInfo of the key that the peer attests with, 32 bytes: what `expectedIdentity.keyIds` are
   *  compared with. null unless the peer is attested. */
  readonly attestedKeyId: Uint8Array | null
  /** SHA-256 of the peer's Evidence after the handshake, as it came last; null if none did. */
  readonly evidenceDigest: Uint8Array | null
  /** Whether any part of the peer's Evidence comes from a simulated platform. */
  readonly isSimulated: boolean
  /** What the peer's attested environments claim, by their names. */
  readonly claims: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** The peer's attestation to us. */
  readonly peer: PeerAttestation
  /** Our attestation to the peer. */
  readonly own: OwnAttestation
  /** All of this as plain values for JSON, byte strings as lower-case hex. */
  toJSON(): unknown
}

/** The peer's attestation to us. */
export interface PeerAttestation {
  /** What our policy says; `none` where we have no Verifier and ask for nothing. */
  readonly requirement: 'required' | 'optional' | 'none'
  /** What was agreed on; null if nothing was. */
  readonly negotiated: NegotiatedAttestation | null
  /** What the Evidence or results came in: the messages of the handshake, as agreed on; the peer's certificate, where
   *  `dangerouslyAcceptCertificateEvidence` lets that do; an exported authenticator under the profile `expat`. null where
   *  nothing was found good. */
  readonly carrier: AttestationCarrier | null
  /** The verdict; null where there was none. */
  readonly result: AttestationResult | null
  /** Why the peer is not attested, as a sentence; null if it is, or while that is open. */
  readonly reason: string | null
}

/** What Evidence or results come in. */
export type AttestationCarrier = 'handshake' | 'certificate' | 'authenticator'

/** Our attestation to the peer. */
export interface OwnAttestation {
  readonly negotiated: NegotiatedAttestation | null
  /** Whether Evidence or results were sent. */
  readonly isPresented: boolean
  /** How strongly our attestation is bound to this connection. */
  readonly bindingLevel: BindingLevel
}

/** What was agreed on for one direction. */
export interface NegotiatedAttestation {
  readonly model: AttestationModel
  readonly credential: AttestationCredential
  /** Media type of the Evidence; null for results. */
  readonly evidenceType: string | null
  /** Identity of the Verifier that issued the results; null for Evidence. */
  readonly verifier: Uint8Array | null
}

/** What a status has to know of its profile. */
interface Binding {
  readonly name: ProfileName
  bindingLevel(negotiated: NegotiatedAttestation): BindingLevel
}

/** The status of a connection while it is being written. */
export class StatusRecord implements AttestationStatus {
  readonly #profile: Binding
  readonly #requirement: PeerAttestation['requirement']
  isResumed = false
  /** Set when the handshake is complete. */
  isEstablished = false
  rounds = 0
  renewedAt: number | null = null
  evidenceDigest: Uint8Array | null = null
  attestedKey: Uint8Array | null = null
  peerNegotiated: NegotiatedAttestation | null = null
  /** A verdict that stands: the peer is sound, and it is for this challenge and this key. */
  result: AttestationResult | null = null
  isPeerGood = false
  carrier: AttestationCarrier | null = null
  reason: string | null = null
  ownNegotiated: NegotiatedAttestation | null = null
  isPresented = false

  constructor(profile: Binding, requirement: PeerAttestation['requirement']) {
    this.#profile = profile
    this.#requirement = requirement
  }

  /** Notes a verdict over the finished handshake. */
  renew(result: AttestationResult, key: PublicKey, evidenceDigest: Uint8Array, now: number): void {
    this.result = result
    this.attestedKey = key.spki
    this.evidenceDigest = evidenceDigest
    this.renewedAt = now
    this.rounds++
  }

  /** The peer is not attested any more. */
  lose(reason: string): void {
    this.isPeerGood = false
    this.reason = reason
  }

  get profile(): ProfileName {
    return this.#profile.name
  }

  get isAttested(): boolean {
    return this.isEstablished && this.isPeerGood
  }

  get bindingLevel(): BindingLevel {
    if (!this.isAttested) return 0
    // Whoever has the key has the certificate, and the Evidence in it.
    return this.carrier === 'certificate' ? 1 : this.#bindingLevel(this.peerNegotiated)
  }

  get bindingMeaning(): string {
    return bindingMeanings[this.bindingLevel]
  }

  get attestedKeyId(): Uint8Array | null {
    return this.isAttested && this.attestedKey ? hash('sha256', this.attestedKey) : null
  }

  get isSimulated(): boolean {
    return this.result?.isSimulated ?? false
  }

  get claims(): AttestationStatus['claims'] {
    const submodules = Object.entries(this.result?.submodules ?? {})
    return Object.fromEntries(submodules.map(([name, { claims }]) => [name, claims]))
  }

  get peer(): PeerAttestation {
    return {
      requirement: this.#requirement,
      negotiated: this.peerNegotiated,
      carrier: this.carrier,
      result: this.result,
      reason: this.reason,
    }
  }

  get own(): OwnAttestation {
    return {
      negotiated: this.ownNegotiated,
      isPresented: this.isPresented,
      bindingLevel: this.isPresented ? this.#bindingLevel(this.ownNegotiated) : 0,
    }
  }

  toJSON(): unknown {
    const { profile, isResumed, isAttested, bindingLevel, bindingMeaning, isSimulated, claims, peer, own } = this
    const { rounds, renewedAt, evidenceDigest, attestedKeyId } = this
    const renewal = this.#profile.name !== 'draft08' ? { rounds, renewedAt, evidenceDigest } : {}
    return plain({
      profile,
      isResumed,
      isAttested,
      bindingLevel,
      bindingMeaning,
      attestedKeyId,
      ...renewal,
      isSimulated,
      claims,
      peer,
      own,
    })
  }

  /** A resumed connection rests on the keys of the one before, and so on whoever holds them. */
  #bindingLevel(negotiated: NegotiatedAttestation | null): BindingLevel {
    if (!negotiated) return 0
    // What is in the Evidence of the handshake alone goes as far as the key exchange.
    if (this.#profile.name === 'hardened' && !this.isEstablished) return 2
    return this.isResumed ? 1 : this.#profile.bindingLevel(negotiated)
  }
}

/** A value as JSON can say it. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value)
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]))
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
