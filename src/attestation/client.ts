import { equalBytes } from '../bytes/index.js'
import type {
  Authenticator,
  EarlyView,
  Extensions,
  ExtensionValue,
  PlugOffer,
  ProtocolError,
  Step,
  View,
} from '../handshake/index.js'
import { CertificateType, extensionValue } from '../handshake/index.js'
import { sameMediaType } from '../rats/index.js'
import { AttestationError } from './errors.js'
import { CredentialKind, type EvidenceType, isSameEntry } from './evidence-type.js'
import type { Participant, Selection } from './participant.js'
import { canDemand, canProve, credentialOf, evidenceTypesFor, kindOf, type Settings } from './settings.js'

/** What a client said in its ClientHello. */
export interface ClientOffer {
  /** Evidence that we want from the server. */
  readonly askedTypes: readonly EvidenceType[]
  readonly nonce: Uint8Array | undefined
  /** Whose results we take from the server. */
  readonly askedVerifiers: readonly Uint8Array[]
  /** Evidence that we can give. */
  readonly ownTypes: readonly EvidenceType[]
  /** Whose results we can give. */
  readonly ownVerifiers: readonly Uint8Array[]
}

/** Makes the offer of a client: what it asks of the server, and what it can prove itself. */
export function* makeOffer(participant: Participant, hs: EarlyView): Step<ClientOffer> {
  const { settings } = participant
  const { verifier, trustedVerifiers, peerCredentials } = settings
  const asksForEvidence = verifier !== undefined && canDemand(settings, 'background-check')
  return {
    askedTypes: asksForEvidence ? evidenceTypesFor(verifier, peerCredentials) : [],
    nonce: asksForEvidence ? yield* participant.openSession(verifier, hs.signal) : undefined,
    askedVerifiers: canDemand(settings, 'passport') ? trustedVerifiers : [],
    ownTypes: evidenceTypesFor(settings.attester, settings.ownCredentials, shownTypes(settings, hs.serverName)),
    ownVerifiers: shownVerifiers(settings, hs.serverName),
  }
}

/** The offer as it stands in the ClientHello. */
export function plugOffer({ extensions, ...settings }: Settings, offer: ClientOffer, hs: EarlyView): PlugOffer {
  const { askedTypes, nonce, askedVerifiers, ownTypes, ownVerifiers } = offer
  const values: ExtensionValue[] = []
  if (nonce) {
    const { client_hello } = extensions.evidenceRequest
    values.push(extensionValue(client_hello, { supportedEvidenceTypes: askedTypes, nonce }))
  }
  if (ownTypes.length > 0) values.push(extensionValue(extensions.evidenceProposal.client_hello, ownTypes))
  if (askedVerifiers.length > 0) values.push(extensionValue(extensions.resultsRequest.client_hello, askedVerifiers))
  if (ownVerifiers.length > 0) values.push(extensionValue(extensions.resultsProposal.client_hello, ownVerifiers))
  const { attestation } = settings.codePoints
  // Results say nothing of the kind of credential that they come in, so the certificate type has to.
  return {
    extensions: values,
    serverCertificateTypes:
      askedVerifiers.length > 0
        ? withType(
            attestation,
            settings.peerCredentials,
            hs.serverCertificateTypes,
            settings.requirement === 'required',
          )
        : hs.serverCertificateTypes,
    clientCertificateTypes:
      ownVerifiers.length > 0
        ? withType(attestation, settings.ownCredentials, presentable(settings, hs.clientCertificateTypes), false)
        : hs.clientCertificateTypes,
  }
}

/** RFC 7250 §3: a client lists what it can present. X509 goes without saying where there is nothing else to list. */
function presentable({ environment }: Pick<Settings, 'environment'>, types: readonly number[]): readonly number[] {
  return environment.hasCertificate ? types : types.filter(type => type !== CertificateType.X509)
}

/** The list of certificate types with ours in it, where its rank among the credentials puts it. */
function withType(
  type: number,
  credentials: readonly ('attestation-only' | 'x509')[],
  configured: readonly number[],
  isStrict: boolean,
): readonly number[] {
  const [first, second] = credentials
  if (first === 'x509') return second ? [...configured, type] : configured
  // Without a second choice the others are for a peer that knows nothing of attestation.
  return second || !isStrict ? [type, ...configured] : [type]
}

function shownTypes(settings: Settings, serverName: string | undefined): readonly string[] {
  const { attester, disclosure } = settings
  if (!attester || !canProve(settings, 'background-check')) return []
  const shown = disclosure.evidenceTypes?.(serverName)
  if (!shown) return attester.evidenceTypes
  return attester.evidenceTypes.filter(type => shown.some(other => sameMediaType(type, other)))
}

function shownVerifiers(settings: Settings, serverName: string | undefined): readonly Uint8Array[] {
  const { presenter, disclosure } = settings
  if (!presenter || !canProve(settings, 'passport')) return []
  const shown = disclosure.verifiers?.(serverName)
  if (!shown) return presenter.verifiers
  return presenter.verifiers.filter(identity => shown.some(other => equalBytes(identity, other)))
}

/** Checks the server's answer in EncryptedExtensions, and takes from it what both sides owe.
 *  @throws ProtocolError */
export function acceptAnswer(
  participant: Participant,
  offer: ClientOffer,
  hs: View,
  answer: Extensions,
  authenticator: Authenticator,
): { readonly needsCertificateRequest: boolean } {
  const { extensions } = participant.settings
  const evidence = answer.get(extensions.evidenceRequest.encrypted_extensions)
  const results = answer.get(extensions.resultsRequest.encrypted_extensions)
  const proposal = answer.get(extensions.evidenceProposal.encrypted_extensions)
  const ownResults = answer.get(extensions.resultsProposal.encrypted_extensions)
  if ((evidence && results) || (proposal && ownResults)) {
    throw illegal('the server answers with Evidence and with results for one direction')
  }
  if (authenticator !== 'certificate') {
    if (evidence || results || proposal || ownResults) {
      throw illegal('the server negotiates attestation, but selects a PSK instead of certificates')
    }
    if (authenticator === 'external_psk') participant.missing('the server authenticates with a PSK', asksFor(offer))
    return { needsCertificateRequest: false }
  }
  participant.peer = serverSelection(participant.settings, offer, hs, evidence, results)
  participant.own = clientSelection(participant.settings, offer, hs, proposal, ownResults)
  // What the certificate has is seen when it comes.
  if (!participant.peer && !participant.settings.certificateEvidence)
    participant.missing('the server does not attest', asksFor(offer))
  return { needsCertificateRequest: participant.own !== undefined }
}

/** Whether Evidence is among what we ask the server for. */
function asksFor({ nonce }: ClientOffer): boolean {
  return nonce !== undefined
}

function serverSelection(
  settings: Settings,
  { askedTypes, askedVerifiers, nonce }: ClientOffer,
  { serverCertificateType: type }: View,
  evidence: EvidenceType | undefined,
  results: Uint8Array | undefined,
): Selection | undefined {
  if (evidence && nonce) {
    checkOffered(askedTypes, evidence, 'evidence_request')
    checkAgreement(settings, evidence.credentialKind, type, 'server_certificate_type')
    return { model: 'background-check', selected: evidence, nonce }
  }
  if (results) {
    const verifier = offeredVerifier(askedVerifiers, results, 'results_request')
    const credentialKind = kindByType(settings, type, 'server_certificate_type')
    if (!settings.peerCredentials.includes(credentialOf(credentialKind))) {
      throw illegal('the server presents results beside X.509, which was not offered')
    }
    return { model: 'passport', verifier, credentialKind }
  }
  checkNotOurs(settings, type, 'server_certificate_type')
  return undefined
}

function clientSelection(
  settings: Settings,
  { ownTypes, ownVerifiers, nonce: ownNonce }: ClientOffer,
  { clientCertificateType: type }: View,
  proposal: { readonly selectedEvidenceType: EvidenceType; readonly nonce: Uint8Array } | undefined,
  results: Uint8Array | undefined,
): Selection | undefined {
  if (proposal) {
    const { selectedEvidenceType: selected, nonce } = proposal
    checkOffered(ownTypes, selected, 'evidence_proposal')
    checkAgreement(settings, selected.credentialKind, type, 'client_certificate_type')
    // With one nonce for both directions, Evidence of one could pass for the other's.
    if (ownNonce && equalBytes(ownNonce, nonce)) throw illegal('the server sends our own nonce back')
    return { model: 'background-check', selected, nonce: Uint8Array.from(nonce) }
  }
  if (results) {
    const verifier = offeredVerifier(ownVerifiers, results, 'results_proposal')
    const credentialKind = kindByType(settings, type, 'client_certificate_type')
    if (!settings.ownCredentials.includes(credentialOf(credentialKind))) {
      throw new AttestationError(
        'ERR_ATTESTATION_NEGOTIATION',
        'unsupported_certificate',
        'the server wants results beside X.509, and ours stand alone',
      )
    }
    return { model: 'passport', verifier, credentialKind }
  }
  checkNotOurs(settings, type, 'client_certificate_type')
  return undefined
}

function checkOffered(offered: readonly EvidenceType[], selected: EvidenceType, name: string): void {
  if (!offered.some(entry => isSameEntry(entry, selected))) {
    throw illegal(`${name} selects an Evidence type that was not offered`)
  }
}

function offeredVerifier(offered: readonly Uint8Array[], selected: Uint8Array, name: string): Uint8Array {
  const verifier = offered.find(identity => equalBytes(identity, selected))
  if (!verifier) throw illegal(`${name} selects a Verifier that was not offered`)
  return verifier
}

/** Where credential_kind and the certificate type both speak, they have to say the same. */
function checkAgreement(settings: Settings, kind: CredentialKind, type: number | undefined, name: string): void {
  const expected = kind === kindOf('x509') ? CertificateType.X509 : settings.codePoints.attestation
  if (type !== undefined && type !== expected) throw illegal(`${name} and credential_kind do not agree`)
}

function kindByType({ codePoints }: Settings, type: number | undefined, name: string): CredentialKind {
  if (type === codePoints.attestation) return CredentialKind.ATTESTATION
  if (type === undefined || type === CertificateType.X509) return CredentialKind.CERT_ATTESTATION
  throw illegal(`${name} selects a type that carries no results`)
}

function checkNotOurs({ codePoints }: Settings, type: number | undefined, name: string): void {
  if (type === codePoints.attestation) throw illegal(`${name} selects attestation, but no attestation was agreed on`)
}

function illegal(sentence: string): ProtocolError {
  return new AttestationError('ERR_ATTESTATION_NEGOTIATION', 'illegal_parameter', sentence)
}
