import { equalBytes } from '../bytes/index.js'
import type { Authenticator, ExtensionValue, PlugAnswer, Step, View } from '../handshake/index.js'
import { CertificateType, clientCertificateType, extensionValue, serverCertificateType } from '../handshake/index.js'
import { sameMediaType } from '../rats/index.js'
import { AttestationError } from './errors.js'
import { CredentialKind, type EvidenceType } from './evidence-type.js'
import { describeTypes } from './message-type.js'
import type { AttestationCredential, AttestationModel } from './options.js'
import { credentialKindOf, type Participant, type Selection } from './participant.js'
import { identityOf } from './prove.js'
import {
  canComeIn,
  canDemand,
  canProve,
  certificateTypeOf,
  credentialOf,
  evidenceTypesFor,
  type KnowsTypes,
  kindOf,
  type Settings,
} from './settings.js'

/** Answers a client's offer: at most one of its values for each direction. */
export function* makeAnswer(participant: Participant, hs: View, authenticator: Authenticator): Step<PlugAnswer> {
  const { settings } = participant
  if (authenticator !== 'certificate') {
    if (authenticator === 'external_psk') {
      participant.missing('the client authenticates with a PSK', canDemand(settings, 'background-check'))
    }
    return {
      extensions: [],
      needsCertificateRequest: false,
      serverCertificateType: undefined,
      clientCertificateType: undefined,
    }
  }
  participant.own = chooseOwn(settings, hs)
  const chosen = choosePeer(participant, hs)
  if (chosen?.model === 'passport') {
    participant.peer = chosen
  } else if (chosen && settings.verifier) {
    const ownNonce = participant.own?.model === 'background-check' ? participant.own.nonce : undefined
    const nonce = yield* participant.openSession(settings.verifier, hs.signal, ownNonce)
    participant.peer = { ...chosen, nonce }
  }
  return plugAnswer(settings, participant.own, participant.peer)
}

function plugAnswer(settings: Settings, own: Selection | undefined, peer: Selection | undefined): PlugAnswer {
  const { evidenceRequest, evidenceProposal, resultsRequest, resultsProposal } = settings.extensions
  const values: ExtensionValue[] = []
  if (own?.model === 'background-check') {
    values.push(extensionValue(evidenceRequest.encrypted_extensions, own.selected))
  } else if (own) {
    values.push(extensionValue(resultsRequest.encrypted_extensions, own.verifier))
  }
  if (peer?.model === 'background-check') {
    const { selected, nonce } = peer
    values.push(extensionValue(evidenceProposal.encrypted_extensions, { selectedEvidenceType: selected, nonce }))
  } else if (peer) {
    values.push(extensionValue(resultsProposal.encrypted_extensions, peer.verifier))
  }
  const typeOf = (selection: Selection | undefined) =>
    selection && certificateTypeOf(settings, credentialOf(credentialKindOf(selection)))
  return {
    extensions: values,
    needsCertificateRequest: peer !== undefined || settings.certificateEvidence !== undefined,
    serverCertificateType: typeOf(own),
    clientCertificateType: typeOf(peer),
  }
}

/** A choice of Evidence before there is a nonce for it. */
type Chosen =
  | Extract<Selection, { model: 'passport' }>
  | Omit<Extract<Selection, { model: 'background-check' }>, 'nonce'>

/** What we prove ourselves with; undefined if the client asks for nothing that we have to do with.
 *  @throws AttestationError if it asks, and there is nothing in common */
function chooseOwn(settings: Settings, { clientHello }: View): Selection | undefined {
  const { extensions, attester, presenter, codePoints } = settings
  const request = canProve(settings, 'background-check')
    ? clientHello.get(extensions.evidenceRequest.client_hello)
    : undefined
  const trusted = canProve(settings, 'passport') ? clientHello.get(extensions.resultsRequest.client_hello) : undefined
  if (!request && !trusted) return undefined

  const credentials = new Credentials(
    settings,
    settings.ownCredentials,
    clientHello.get(serverCertificateType.client_hello),
  )
  const selected = chooseType(settings, request?.supportedEvidenceTypes ?? [], attester, credentials)
  const verifier = chooseVerifier(settings, trusted ?? [], presenter?.verifiers ?? [])
  const credential = credentials.forResults(settings.ownCredentials)
  const evidence: Selection | undefined = request &&
    selected && { model: 'background-check', selected, nonce: Uint8Array.from(request.nonce) }
  const results: Extract<Selection, { model: 'passport' }> | undefined = verifier &&
    credential && { model: 'passport', verifier, credentialKind: kindOf(credential) }
  if (evidence && results) {
    // Results that would have to be fetched first are only worth waiting for where they are all there is.
    return prefersPassport(settings.models) && isAtHand(settings, results) ? results : evidence
  }
  const chosen = results ?? evidence
  if (chosen) return chosen
  if (request) {
    throw new AttestationError(
      'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE',
      codePoints.unsupported_evidence,
      nothingInCommon('asks for', request.supportedEvidenceTypes, 'can produce', attester, settings.ownCredentials),
    )
  }
  throw new AttestationError(
    'ERR_ATTESTATION_UNSUPPORTED_VERIFIERS',
    codePoints.unsupported_verifiers,
    'the client trusts no Verifier that we have results of',
  )
}

/** Whether results can be presented at once. The key of a certificate is not known yet when this is asked. */
function isAtHand(
  { presenter, identityKey }: Settings,
  { verifier, credentialKind }: Extract<Selection, { model: 'passport' }>,
): boolean {
  const key = credentialKind === CredentialKind.ATTESTATION && identityKey ? identityOf(identityKey) : undefined
  return presenter?.isAtHand?.(verifier, key) ?? true
}

/** What the client has to prove itself with; undefined if it need not.
 *  @throws AttestationError if it has to, and there is nothing in common */
function choosePeer(participant: Participant, { clientHello }: View): Chosen | undefined {
  const { settings } = participant
  const { extensions, verifier, requirement, peerCredentials, trustedVerifiers } = settings
  if (requirement === 'none') return undefined
  const proposal = canDemand(settings, 'background-check')
    ? clientHello.get(extensions.evidenceProposal.client_hello)
    : undefined
  const offered = canDemand(settings, 'passport') ? clientHello.get(extensions.resultsProposal.client_hello) : undefined
  const credentials = new Credentials(settings, peerCredentials, clientHello.get(clientCertificateType.client_hello))
  const selected = chooseType(settings, proposal ?? [], verifier, credentials)
  const identity = chooseVerifier(settings, offered ?? [], trustedVerifiers)
  const credential = credentials.forResults(settings.prefersOwnOrder ? peerCredentials : undefined)
  const evidence: Chosen | undefined = selected && { model: 'background-check', selected }
  const results: Chosen | undefined = identity &&
    credential && { model: 'passport', verifier: identity, credentialKind: kindOf(credential) }
  if (evidence && results) return prefersPassport(settings.models) ? results : evidence
  const chosen = results ?? evidence
  if (chosen) return chosen
  // What the certificate has is seen when it comes.
  if (settings.certificateEvidence) return undefined
  if (proposal) {
    const reason = nothingInCommon('proposes', proposal, 'take', verifier, peerCredentials)
    participant.missing(reason, true, 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE')
  } else if (offered) {
    const reason = identity
      ? `the client has results, but not in the kind of credential that we take: ${peerCredentials.join(', ')}`
      : 'the client has results of no Verifier that we trust'
    participant.missing(reason, false, 'ERR_ATTESTATION_UNSUPPORTED_VERIFIERS')
  } else {
    participant.missing('the client does not offer to attest', canDemand(settings, 'background-check'))
  }
  return undefined
}

function nothingInCommon(
  verb: string,
  offered: readonly EvidenceType[],
  ownVerb: string,
  role: KnowsTypes | undefined,
  credentials: readonly AttestationCredential[],
): string {
  const theirs = offered.length > 0 ? describeTypes(offered) : 'nothing that is known here'
  return `the client ${verb} ${theirs}; we ${ownVerb} ${describeTypes(evidenceTypesFor(role, credentials))}`
}

/** Of two models that would both do: passport, unless the order says otherwise. */
function prefersPassport(models: readonly AttestationModel[]): boolean {
  return models[0] === 'passport'
}

/** The first entry of the client's that we have too, or of ours that the client has. */
function chooseType(
  { prefersOwnOrder }: Settings,
  offered: readonly EvidenceType[],
  role: KnowsTypes | undefined,
  credentials: Credentials,
): EvidenceType | undefined {
  const own = role?.evidenceTypes ?? []
  const usable = offered.filter(({ credentialKind, type }) => {
    const credential = credentialOf(credentialKind)
    if (!credentials.allow(credential)) return false
    return own.some(mediaType => sameMediaType(mediaType, type) && canComeIn(credential, role, mediaType))
  })
  if (!prefersOwnOrder) return usable[0]
  const rank = ({ credentialKind, type }: EvidenceType) =>
    credentials.rank(credentialOf(credentialKind)) * own.length +
    own.findIndex(mediaType => sameMediaType(mediaType, type))
  return [...usable].sort((a, b) => rank(a) - rank(b))[0]
}

function chooseVerifier(
  { prefersOwnOrder }: Settings,
  offered: readonly Uint8Array[],
  own: readonly Uint8Array[],
): Uint8Array | undefined {
  const ownOf = (identity: Uint8Array) => own.find(other => equalBytes(other, identity))
  const isOffered = (identity: Uint8Array) => offered.some(other => equalBytes(other, identity))
  return prefersOwnOrder ? own.find(isOffered) : offered.map(ownOf).find(identity => identity !== undefined)
}

/** The kinds of credential that one direction may use: those that we take or have, as far as the certificate types of
 *  the client allow them (RFC 7250). */
class Credentials {
  readonly #settings: Settings
  readonly #own: readonly AttestationCredential[]
  readonly #types: readonly number[] | undefined

  /** @param types what the client lists; undefined: it lists nothing, and means X.509 */
  constructor(settings: Settings, own: readonly AttestationCredential[], types: readonly number[] | undefined) {
    this.#settings = settings
    this.#own = own
    this.#types = types
  }

  /** Whether Evidence may come in it: attestation-only is allowed by credential_kind, whatever the types say. */
  allow(credential: AttestationCredential): boolean {
    if (!this.#own.includes(credential)) return false
    return credential === 'attestation-only' || (this.#types?.includes(CertificateType.X509) ?? true)
  }

  rank(credential: AttestationCredential): number {
    return this.#own.indexOf(credential)
  }

  /** What results come in; undefined if there is nothing that both sides have.
   *  @param order whose order counts; the client's if undefined */
  forResults(order: readonly AttestationCredential[] | undefined): AttestationCredential | undefined {
    const types = this.#types ?? [CertificateType.X509]
    const candidates = order ?? types.flatMap(type => this.#credentialOf(type))
    return candidates.find(
      credential => this.#own.includes(credential) && types.includes(certificateTypeOf(this.#settings, credential)),
    )
  }

  #credentialOf(type: number): AttestationCredential[] {
    if (type === CertificateType.X509) return ['x509']
    return type === this.#settings.codePoints.attestation ? ['attestation-only'] : []
  }
}
