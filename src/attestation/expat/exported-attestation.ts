import { concat, equalBytes } from '../../bytes/index.js'
import { type Entropy, hash, type PublicKey } from '../../crypto/index.js'
import {
  type AlertName,
  type AuthenticationEntry,
  type AuthenticatorExchange,
  type AuthenticatorRequest,
  type Credential,
  defaultSignatureSchemes,
  type Established,
  extensionValue,
  MisuseError,
  type Step,
  until,
} from '../../handshake/index.js'
import { typeOfCmw, type VerifierSession } from '../../rats/index.js'
import { AttestationError, type AttestationErrorCode } from '../errors.js'
import { askVerifier, checkChallenge, checkIdentity, checkVerdict, identityOfKey, readMessage } from '../examine.js'
import { isEvidenceOfType, typeName, wireType } from '../message-type.js'
import { askAttester, identityOf, written } from '../prove.js'
import { type AttestationStatus, StatusRecord } from '../status.js'
import { newSession } from '../verifier-session.js'
import { expatBinder, fitted } from './binder.js'
import type { ExpatSettings } from './settings.js'

/*
 * The profile `expat` (draft-fossati-seat-expat-03): attestation by exported authenticators (RFC 9261) over a connection whose
 * handshake knew nothing of it. The application carries both messages:
 *
 *   Relying Party                                             attester
 *      request: ClientCertificateRequest + cmw_attestation   -------->
 *               (a server's: CertificateRequest)
 *                                              <--------   authenticator: Certificate(CMW), CertificateVerify, Finished
 */

/** The connection that it is about. */
export interface ExpatConnection {
  readonly established: Established
  readonly exchange: AuthenticatorExchange
  readonly entropy: Entropy
  /** What we authenticated the handshake with; null if with nothing. */
  readonly credential: Credential | null
  /** Fires when the connection is over. */
  readonly signal: AbortSignal
}

/** Attestation over one connection, in either direction or both. */
export class ExportedAttestation {
  readonly #settings: ExpatSettings
  readonly #connection: ExpatConnection
  readonly #record: StatusRecord
  #pending: { readonly request: AuthenticatorRequest; readonly session: VerifierSession } | undefined
  /** What went out as our Evidence last: it must not come back. */
  #ownEvidence: Uint8Array | undefined

  /** @throws MisuseError if there is nobody at the other end who could be attested */
  constructor(settings: ExpatSettings, connection: ExpatConnection) {
    this.#settings = settings
    this.#connection = connection
    this.#record = new StatusRecord({ name: 'expat', bindingLevel: () => 3 }, settings.verifier ? 'required' : 'none')
    this.#record.isEstablished = true
    const { isResumed, pskIdentity } = connection.established
    if (isResumed || pskIdentity) throw misuse('a connection that rests on a PSK or a ticket does not attest')
  }

  get status(): AttestationStatus {
    return this.#record
  }

  /** Asks the peer for an attestation. @returns the request, to be carried to it
   *  @throws AttestationError; MisuseError while another waits for its answer */
  *request(): Step<Uint8Array> {
    const { verifier, cmwAttestation } = this.#settings
    const { exchange, entropy, signal } = this.#connection
    if (!verifier) throw misuse('without a verifier there is nothing to ask for')
    if (this.#pending) throw misuse('a request waits for its answer already')
    this.#peer()
    const session = yield* newSession({ settings: this.#settings }, verifier, signal)
    if (session.nonce.length > MAX_NONCE) {
      const sentence = `the nonce of the Verifier has ${session.nonce.length} bytes, of which ${MAX_NONCE} have room`
      throw new AttestationError('ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error', sentence)
    }
    const request = exchange.request({
      context: concat(entropy.bytes(32), session.nonce),
      signatureSchemes: defaultSignatureSchemes,
      extensions: [extensionValue(cmwAttestation.certificate_request, true)],
    })
    this.#pending = { request, session }
    return request.raw
  }

  /** Answers a request of the peer. @param type of the Evidence; the Attester's first unless given
   *  @returns the authenticator, to be carried to it   @throws AttestationError, ProtocolError or DecodeError */
  *answer(bytes: Uint8Array, type?: string): Step<Uint8Array> {
    const { attester, cmwAttestation } = this.#settings
    const { exchange, established, credential } = this.#connection
    if (!attester) throw misuse('without an attester there is nothing to answer with')
    if (!credential) throw misuse('who attests has to authenticate with a certificate in the handshake')
    const request = exchange.readRequest(bytes)
    request.extensions.need(cmwAttestation.certificate_request)
    const { key } = credential
    const binder = expatBinder(established, key.publicKey.spki, request.context)
    const selected = { type: wireType(type ?? attester.evidenceTypes[0] ?? '') }
    const message = yield* until(
      askAttester(
        { settings: this.#settings, takesBatches: false },
        this.#connection,
        selected,
        identityOf(key),
        length => ({
          challenge: challengeOf(binder, length),
          reportData: binder,
        }),
      ),
    )
    const evidence = written(message)
    const [leaf, ...issuers] = credential.entries
    if (!leaf) throw misuse('the credential of the handshake is empty')
    const extension = extensionValue(cmwAttestation.certificate, evidence)
    const entries = [{ ...leaf, extensions: [extension] }, ...issuers.map(entry => ({ ...entry, extensions: [] }))]
    const authenticator = yield* exchange.authenticate(request, { ...credential, entries }, this.#connection)
    this.#ownEvidence = evidence
    this.#record.isPresented = true
    this.#record.ownNegotiated = negotiated(typeName(selected.type))
    return authenticator
  }

  /** Tells the peer that there will be no attestation. @returns the empty authenticator, to be carried to it */
  refuse(bytes: Uint8Array): Uint8Array {
    const { exchange } = this.#connection
    return exchange.refuse(exchange.readRequest(bytes))
  }

  /** Takes the answer to our request.
   *  @throws AttestationError, ProtocolError or DecodeError unless the peer is found good: the connection is to end then */
  *check(bytes: Uint8Array): Step<void> {
    const pending = this.#pending
    if (!pending) throw misuse('no request waits for an answer')
    this.#pending = undefined
    try {
      yield* this.#checked(pending.request, pending.session, bytes)
    } catch (error) {
      this.#record.lose(error instanceof Error ? error.message : String(error))
      throw error
    } finally {
      pending.session.close?.()
    }
  }

  *#checked(request: AuthenticatorRequest, session: VerifierSession, bytes: Uint8Array): Step<void> {
    const { verifier, environment, expectedIdentity } = this.#settings
    const { exchange, established } = this.#connection
    if (!verifier) throw misuse('without a verifier there is nothing to ask for')
    const peer = this.#peer()
    const received = exchange.check(request, bytes, entries => keyOf(entries, peer))
    if (!received)
      throw refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', 'certificate_required', 'the peer declines to attest')
    const data = this.#evidenceIn(received.entries)
    this.#checkNotOurs(received.publicKey, data)
    const message = readMessage(data)
    const type = verifier.evidenceTypes.find(candidate => isEvidenceOfType(message, wireType(candidate)))
    if (type === undefined) {
      const came = typeName(typeOfCmw(message))
      throw refused('ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate', `${came} came, which is none that was asked for`)
    }
    const binder = expatBinder(established, received.publicKey.spki, request.context)
    const challenge = challengeOf(binder, verifier.challengeLength(type))
    const key = identityOfKey(received.publicKey)
    const result = yield* until(
      askVerifier({ settings: this.#settings }, this.#connection, signal =>
        session.appraise({ message, challenge, key, signal }),
      ),
    )
    checkVerdict(result)
    checkChallenge(result, challenge, MIN_CHALLENGE)
    if (result.attestedKey && !equalBytes(result.attestedKey, key.spki)) {
      throw refused(
        'ERR_ATTESTATION_KEY_MISMATCH',
        'bad_certificate',
        'the attestation speaks for another key than that of the authenticator',
      )
    }
    checkIdentity(expectedIdentity, result, received.publicKey)
    this.#record.peerNegotiated = negotiated(type)
    this.#record.isPeerGood = true
    this.#record.carrier = 'authenticator'
    this.#record.renew(result, received.publicKey, hash('sha256', data), environment.now())
  }

  /** Whom the handshake has authenticated: X.509 is still what says who the peer is. */
  #peer(): { readonly certificate: Uint8Array; readonly publicKey: PublicKey } {
    const { peer } = this.#connection.established
    const [certificate] = peer?.chain ?? []
    if (!peer || !certificate) throw misuse('the peer has no certificate, and so is nobody who could attest')
    if (peer.authorizationError) throw misuse('the certificate of the peer was let in, but did not pass')
    return { certificate, publicKey: peer.publicKey }
  }

  #evidenceIn([first, ...others]: readonly AuthenticationEntry[]): Uint8Array {
    const { certificate } = this.#settings.cmwAttestation
    if (others.some(({ extensions }) => extensions.has(certificate))) {
      throw refused('ERR_ATTESTATION_NEGOTIATION', 'illegal_parameter', `${certificate.name} stands beside an issuer`)
    }
    const data = first?.extensions.get(certificate)
    if (!data) throw refused('ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate', 'an authenticator came without Evidence')
    return data
  }

  /** The binder is the same for both roles: who answers with what is ours has nothing of its own. */
  #checkNotOurs({ spki }: PublicKey, data: Uint8Array): void {
    const own = this.#connection.credential?.key.publicKey.spki
    if ((own && equalBytes(own, spki)) || (this.#ownEvidence && equalBytes(this.#ownEvidence, data))) {
      throw refused(
        'ERR_ATTESTATION_KEY_MISMATCH',
        'illegal_parameter',
        'the peer attests with our own key or Evidence',
      )
    }
  }
}

/** What a Verifier's nonce has room for beside 32 bytes of our own. */
const MAX_NONCE = 255 - 32
const MIN_CHALLENGE = 32

function keyOf(
  entries: readonly AuthenticationEntry[],
  peer: { readonly certificate: Uint8Array; readonly publicKey: PublicKey },
): PublicKey {
  if (entries[0] && equalBytes(entries[0].data, peer.certificate)) return peer.publicKey
  throw refused(
    'ERR_ATTESTATION_KEY_MISMATCH',
    'bad_certificate',
    'an authenticator is not of the certificate of the handshake',
  )
}

function challengeOf(binder: Uint8Array, length: number | undefined): Uint8Array {
  const challenge = fitted(binder, length)
  if (challenge) return challenge
  const sentence = `Evidence with a challenge of ${length} bytes does not hold a binder`
  throw refused('ERR_ATTESTATION_UNSUPPORTED_EVIDENCE', 'internal_error', sentence)
}

function negotiated(evidenceType: string) {
  return { model: 'background-check', credential: 'x509', evidenceType, verifier: null } as const
}

function misuse(sentence: string): MisuseError {
  return new MisuseError(sentence, 'ERR_ATTESTATION_STATE')
}

function refused(code: AttestationErrorCode, alert: AlertName, sentence: string): AttestationError {
  return new AttestationError(code, alert, sentence)
}
