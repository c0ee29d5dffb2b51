import type { TypeOf } from '../bytes/index.js'
import { type HashName, hashLength } from '../crypto/index.js'
import { ProtocolError } from './alert.js'
import { recheckPeer } from './authentication.js'
import { suiteOf } from './cipher-suite.js'
import type { ClientConfig } from './config.js'
import type { PeerIdentity } from './credential.js'
import type { OfferedPsks } from './extensions.js'
import { type BinderKind, EarlySecret, type TrafficSecret } from './key-schedule.js'
import type { Step } from './machine.js'
import type { Protocol } from './protocol.js'
import { MAX_SESSION_SECONDS, type Session } from './session.js'
import type { Transcript } from './transcript.js'

/** A PSK that the client may offer (RFC 8446 §4.2.11). */
export interface PskOffer {
  readonly identity: Uint8Array
  readonly early: EarlySecret
  readonly hash: HashName
  readonly kind: BinderKind
  /** The session that it resumes; undefined for an external PSK. */
  readonly session: Session | undefined
  /** Who the server of that session was. */
  readonly peer: PeerIdentity | undefined
  obfuscatedAge(now: number): number
}

/** The PSKs to offer: the session first, if it may still be resumed, then the external ones. */
export function* pskOffers(config: ClientConfig, protocol: Protocol): Step<readonly PskOffer[]> {
  const { labelPrefix } = protocol
  const offers: PskOffer[] = []
  if (config.plug?.forbidsPsk) return offers
  const { session } = config
  const suite = session && suiteOf(session.cipherSuite)
  const rechecked =
    session && suite && mayResume(session, config, protocol)
      ? yield* recheckPeer(config.peer, session.certificateType, session.peerChain)
      : null
  if (session && suite && rechecked) {
    offers.push({
      identity: session.ticket,
      early: new EarlySecret(suite.hash, session.psk, labelPrefix),
      hash: suite.hash,
      kind: 'resumption',
      session,
      peer: rechecked.peer,
      // RFC 8446 §4.2.11.1: age in ms plus ticket_age_add, modulo 2^32.
      obfuscatedAge: now => ((Math.max(0, now - Number(session.receivedAt)) + session.ticketAgeAdd) % 2 ** 32) >>> 0,
    })
  }
  const hashes = new Set(config.cipherSuites.map(id => suiteOf(id)?.hash))
  for (const { identity, key, hash, isImported } of config.preSharedKeys) {
    // One that no suite on offer goes with could not be selected.
    if (hashes.has(hash)) {
      const kind = isImported ? 'imported' : 'external'
      const early = new EarlySecret(hash, key, labelPrefix)
      offers.push({ identity, early, hash, kind, session: undefined, peer: undefined, obfuscatedAge: () => 0 })
    }
  }
  return offers
}

function mayResume(session: Session, config: ClientConfig, protocol: Protocol): boolean {
  const age = config.now() - Number(session.receivedAt)
  return (
    session.protocolVersion === protocol.version &&
    config.cipherSuites.includes(session.cipherSuite) &&
    session.serverName === config.serverName &&
    age >= 0 &&
    age <= session.lifetimeSeconds * 1000 &&
    config.now() - Number(session.authenticatedAt) <= MAX_SESSION_SECONDS * 1000 &&
    (config.plug === undefined
      ? session.plugState.length === 0
      : session.plugState.length > 0 && config.plug.restoreSession(session.plugState))
  )
}

/** pre_shared_key with binders of the right length that are still zero: the ClientHello is hashed up to them. */
export function unboundPsks(offers: readonly PskOffer[], now: number): TypeOf<typeof OfferedPsks> {
  return {
    identities: offers.map(offer => ({ identity: offer.identity, obfuscatedTicketAge: offer.obfuscatedAge(now) })),
    binders: offers.map(offer => new Uint8Array(hashLength[offer.hash])),
  }
}

/** The length of the binders at the end of a ClientHello, with their length fields. */
export function bindersLength(hashes: readonly HashName[]): number {
  return hashes.reduce((sum, name) => sum + 1 + hashLength[name], 2)
}

/** Writes the binders into the end of a ClientHello that has room for them (RFC 8446 §4.2.11.2). */
export function bind(hello: Uint8Array, offers: readonly PskOffer[], transcript: Transcript): void {
  let at = hello.length - bindersLength(offers.map(({ hash }) => hash))
  const truncated = hello.subarray(0, at)
  at += 2
  for (const { hash, early, kind } of offers) {
    const binder = early.binderKey(kind).verifyData(transcript.digestWith(hash, truncated))
    hello.set(binder, at + 1)
    at += 1 + binder.length
  }
}

/** Checks the binder of the PSK that the server wants to use. @throws ProtocolError decrypt_error */
export function checkBinder(key: TrafficSecret, transcriptHash: Uint8Array, binder: Uint8Array): void {
  if (!key.isVerifyData(transcriptHash, binder)) throw new ProtocolError('decrypt_error', 'the PSK binder is wrong')
}
