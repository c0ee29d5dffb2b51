import type { SigningKey } from '../crypto/index.js'
import type { Attester, Presenter, Verifier } from '../rats/index.js'
import type { CodePoints } from './code-points.js'
import type { BatchOptions } from './hardened/batches.js'
import type { ProfileName } from './profile.js'
import type { QuoteLimits } from './quotes.js'
import type { TraceEvent } from './trace.js'

/** Who asks whom (RFC 9334 §5): `background-check`, the Relying Party has Evidence appraised; `passport`, the Attester
 *  brings Attestation Results along. */
export type AttestationModel = 'background-check' | 'passport'

/** What authenticates a side: Evidence or results alone, for a key of their own; or beside an X.509 chain, for the key
 *  of its end entity. */
export type AttestationCredential = 'attestation-only' | 'x509'

/** What one side of a connection is told about attestation. `attester` and `presenter` are for proving our own state,
 *  `verifier` is for demanding the peer's; the two directions have nothing to do with each other. */
export interface AttestationOptions {
  /** How attestation is bound to the connection. Default: `hardened`, with a second attestation over the finished
   *  handshake before any data, and renewals; both sides have to speak it. `draft08` is
   *  draft-fossati-tls-attestation-08 as it stands. It has known weaknesses, so it has to be asked for by name, with
   *  `acceptDraft08Risks`. */
  readonly profile?: Exclude<ProfileName, 'expat'>
  /** `draft08`: the weaknesses of it that the caller knows of and accepts, all that there are in what is configured. What is
   *  missing is said by the error. */
  readonly acceptDraft08Risks?: readonly Draft08Risk[]

  /** Produces our Evidence. */
  readonly attester?: Attester
  /** Brings Attestation Results about us that a Verifier issued earlier. */
  readonly presenter?: Presenter
  /** The key that an attestation-only credential of ours is for. Not needed where there is an X.509 credential, whose
   *  key serves for both. Under `hardened` it is the key that attests beside that of the certificate: one that was born
   *  in the attested environment, so that the key of the certificate alone is of no use to who has stolen it. */
  readonly identityKey?: SigningKey
  /** What we can authenticate with, in order of preference. Default: beside X.509 if there is a certificate;
   *  attestation-only if there is an `identityKey` or no certificate. */
  readonly ownCredentials?: readonly AttestationCredential[]
  /** A client's privacy: to whom it shows what. */
  readonly disclosure?: Disclosure
  /** How many pieces of Evidence peers may have made at a time. */
  readonly quotes?: QuoteLimits
  /** `hardened`: has one piece of Evidence made for many connections, which wait for each other: for platforms that make a few a
   *  second. Peers that do not know of it get one of their own. Default: each connection has its own. */
  readonly batch?: BatchOptions
  /** Whether Evidence is made for this peer; asked before the Attester is. It has to be quick, and must not throw: such
   *  as a count of the handshakes that an address has begun lately. Default: for every peer. */
  readonly admit?: (request: AdmissionRequest) => boolean

  /** Decides about the peer. */
  readonly verifier?: Verifier
  /** Whether a peer that does not attest is refused. Default: `required`. Whoever attests and is found wanting is
   *  refused in either case. */
  readonly require?: 'required' | 'optional'
  /** What the peer may authenticate with, in order of preference. Default: `x509` alone, since an attestation-only
   *  credential says what the peer is, but not who, and holds as long as its key is not stolen. */
  readonly peerCredentials?: readonly AttestationCredential[]
  /** Whether Evidence in the certificate will do for a peer with which no attestation was agreed on: RA-TLS, DICE. **It
   *  proves that the key was once a good machine's, and no more**: not that the machine is good today, nor that it is the
   *  one at the other end. Who has the key has the Evidence. Default: it will not. */
  readonly dangerouslyAcceptCertificateEvidence?: CertificateEvidenceOptions
  /** Who the peer has to be, besides sound. `draft08` has to know where the peer may be `attestation-only`, and so has no
   *  name. */
  readonly expectedIdentity?: ExpectedIdentity

  /** The models that we use, in order of preference. Default: `passport`, then `background-check`, as far as there is
   *  what they need. */
  readonly models?: readonly AttestationModel[]
  /** Server: whether our order of Evidence types and Verifiers counts, or the client's. Default: the client's. */
  readonly prefersOwnOrder?: boolean
  readonly codePoints?: Partial<CodePoints>
  readonly timeouts?: AttestationTimeouts
  /** `hardened`: how often the peer has to attest anew, in ms, give or take a fifth; 10000 or more. Default: 300000. */
  readonly renewEvery?: number
  /** `hardened`, for who demands attestation: how long a connection may last, in ms. Then it ends; who has made another by that
   *  time loses nothing. Renewals say that the machine is still sound, and leave the keys as they are: who had them once has
   *  them until then. Default: 3600000. */
  readonly maxConnectionAge?: number
  /** Is told of each handshake message as it passes, for people to follow. It must not throw. */
  readonly trace?: (event: TraceEvent) => void
  /** Is told of what nobody may overlook, such as `draft08`. Default: a warning of the process. */
  readonly warn?: (sentence: string) => void
}

/** What can happen under `draft08`. `relay`, always: who has stolen a peer's key, or the secrets of a handshake, passes
 *  another machine's Evidence off as its own. `replay`, with results (passport) or Evidence in certificates: they are
 *  presented again for as long as they hold. `diversion`, with attestation-only credentials: a sound machine answers that is
 *  not the one meant. */
export type Draft08Risk = 'relay' | 'replay' | 'diversion'

/** What is known of a peer that Evidence is to be made for. It has authenticated itself only if it is a server. */
export interface AdmissionRequest {
  /** Where it connects from or was connected to; undefined where that is not known. */
  readonly remoteAddress: string | undefined
  /** The name of the server, as the client says it. */
  readonly serverName: string | undefined
  /** Media type of the Evidence. */
  readonly evidenceType: string
  readonly credential: AttestationCredential
  /** How many pieces of Evidence this Attester is making or is waited for to make, and how many peers wait for a batch. */
  readonly pending: number
}

/** What Evidence in a certificate has to be like. */
export interface CertificateEvidenceOptions {
  /** How long ago the certificate may begin to be valid. There is no other sign of the Evidence's age, and a certificate
   *  that nobody else has signed says what its holder likes. */
  readonly maxAgeSeconds: number
}

/** To whom a client shows what. */
export interface Disclosure {
  /** Media types of the Evidence that this server may be offered, out of those of the Attester. Default: all. */
  readonly evidenceTypes?: (serverName: string | undefined) => readonly string[]
  /** Identities of the Verifiers whose results this server may be offered, out of those of the Presenter. Default:
   *  all. */
  readonly verifiers?: (serverName: string | undefined) => readonly Uint8Array[]
  /** Whether Evidence and results are kept back unless the server was attested first. Needs a `verifier`. */
  readonly onlyToAttested?: boolean
}

/** Who the peer has to be, besides sound: each member that is given has to hold. */
export interface ExpectedIdentity {
  /** SHA-256 of the SubjectPublicKeyInfo, 32 bytes: one of these has to be that of the attested key. */
  readonly keyIds?: readonly Uint8Array[]
  /** Claims that one attested environment has to make: the value, or several of which one will do. */
  readonly claims?: Readonly<Record<string, ClaimExpectation>>
}

/** What a claim has to be: a value, or one of several. */
export type ClaimExpectation = string | number | boolean | readonly (string | number | boolean)[]

/** How long others may take, in ms. */
export interface AttestationTimeouts {
  /** The Attester or Presenter, for one piece of Evidence or results. Default: 10000. */
  readonly attester?: number
  /** The Verifier, for opening a session and for an appraisal each. Default: 10000. */
  readonly verifier?: number
  /** `hardened`: the peer, from the handshake until both sides have attested as agreed. Default: 10000 and what the
   *  Verifier may take. */
  readonly peer?: number
  /** `hardened`: the peer, for each renewal. Default: 30000. */
  readonly renewal?: number
}

/** What tells the time. */
export interface Clock {
  /** ms since 1970. */
  readonly now: () => number
  /** Calls `fire` once after `ms` milliseconds, unless the function that it returns was called before. */
  readonly timer: (ms: number, fire: () => void) => () => void
}

/** What attestation takes from the world around it. */
export interface AttestationEnvironment extends Clock {
  /** Whether this side has an X.509 credential to present. */
  readonly hasCertificate: boolean
  /** Says once what nobody may overlook. */
  readonly warn: (sentence: string) => void
}
