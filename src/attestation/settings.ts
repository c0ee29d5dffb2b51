import { equalBytes, hex, utf8 } from '../bytes/index.js'
import { hash, type SigningKey } from '../crypto/index.js'
import {
  alertName,
  CertificateType,
  type ExtensionRow,
  HandshakeType,
  messageName,
  tableWith,
} from '../handshake/index.js'
import type { Attester, Presenter, Verifier } from '../rats/index.js'
import { type CodePoints, defaultCodePoints } from './code-points.js'
import { checkDraft08Risks } from './draft08-risks.js'
import { CredentialKind, type EvidenceType, evidenceTypeLength, isSameEntry } from './evidence-type.js'
import { type AttestationExtensions, attestationExtensions, rowsOf } from './extensions.js'
import { MAX_MEMBERS } from './hardened/batch.js'
import { Batches, type BatchOptions, type BatchTerms, type FullBatchOptions } from './hardened/batches.js'
import { type HardenedExtensions, hardenedExtensions } from './hardened/extensions.js'
import { hardened } from './hardened/profile.js'
import { hardenedAttester, hardenedVerifier } from './hardened/roles.js'
import { wireType } from './message-type.js'
import { choices, count, DEFAULT_TIMEOUT, milliseconds, misuse, oneOf } from './option-values.js'
import type {
  AdmissionRequest,
  AttestationCredential,
  AttestationEnvironment,
  AttestationModel,
  AttestationOptions,
  CertificateEvidenceOptions,
  Disclosure,
  ExpectedIdentity,
} from './options.js'
import { draft08, type Profile } from './profile.js'
import { type FullQuoteLimits, type QuoteLimits, Quotes } from './quotes.js'
import type { TraceEvent } from './trace.js'

/** What `AttestationOptions` come to: checked, and with every default filled in. */
export interface Settings {
  readonly side: 'client' | 'server'
  readonly environment: AttestationEnvironment
  readonly profile: Profile
  readonly codePoints: CodePoints
  readonly extensions: AttestationExtensions
  readonly hardenedExtensions: HardenedExtensions
  /** One array for all connections, so that they share one extension table. */
  readonly rows: readonly ExtensionRow[]
  readonly alertNames: ReadonlyMap<number, string>
  readonly models: readonly AttestationModel[]
  readonly prefersOwnOrder: boolean
  /** What we prove ourselves with. */
  readonly attester: Attester | undefined
  readonly presenter: Presenter | undefined
  readonly identityKey: SigningKey | undefined
  readonly ownCredentials: readonly AttestationCredential[]
  readonly disclosure: Disclosure
  /** The turns at the Attester; all profiles wait for the same. */
  readonly turns: Quotes | undefined
  readonly quotes: FullQuoteLimits
  /** Where one piece of Evidence is for many connections. */
  readonly batches: { readonly line: Batches; readonly terms: BatchTerms } | undefined
  readonly admit: ((request: AdmissionRequest) => boolean) | undefined
  /** What we decide about the peer with. */
  readonly verifier: Verifier | undefined
  readonly requirement: 'required' | 'optional' | 'none'
  readonly peerCredentials: readonly AttestationCredential[]
  /** Identities of the Verifiers whose results we take. */
  readonly trustedVerifiers: readonly Uint8Array[]
  readonly certificateEvidence: CertificateEvidenceOptions | undefined
  readonly expectedIdentity: ExpectedIdentity | undefined
  readonly attesterTimeout: number
  readonly verifierTimeout: number
  readonly peerTimeout: number
  readonly renewalTimeout: number
  readonly renewalInterval: number
  readonly maxConnectionAge: number
  readonly trace: ((event: TraceEvent) => void) | undefined
}

/** @throws MisuseError ERR_ATTESTATION_CONFIG */
export function settingsOf(
  options: AttestationOptions,
  side: 'client' | 'server',
  environment: AttestationEnvironment,
): Settings {
  // A word that is misspelt must not pass for a demand that was made.
  const unknown = Object.keys(options).find(name => !Object.hasOwn(OPTIONS, name))
  if (unknown !== undefined) {
    throw misuse(`${JSON.stringify(unknown)} is no option: there are ${Object.keys(OPTIONS).join(', ')}`)
  }
  const profile = profileOf(options.profile ?? 'hardened')
  const isHardened = profile === hardened
  const { presenter, identityKey, trace } = options
  const attester = isHardened ? hardenedAttester(options.attester) : options.attester
  const verifier = isHardened ? hardenedVerifier(options.verifier) : options.verifier
  if (!attester && !presenter && !verifier) {
    throw misuse(
      'attestation needs an attester or a presenter to prove our own state, or a verifier to demand the peer’s',
    )
  }
  const codePoints = codePointsOf(options.codePoints)
  const extensions = options.codePoints ? attestationExtensions(codePoints) : defaultExtensions
  const hardenedOnes = options.codePoints ? hardenedExtensions(codePoints) : defaultHardened
  const verifierTimeout = milliseconds(options.timeouts?.verifier, 'timeouts.verifier')
  const attesterTimeout = milliseconds(options.timeouts?.attester, 'timeouts.attester')
  const turns = options.attester && Quotes.of(options.attester)
  const quotes = quoteLimits(options.quotes)
  const settings: Settings = {
    side,
    environment,
    profile,
    codePoints,
    extensions,
    hardenedExtensions: hardenedOnes,
    rows: rowsFor(isHardened, extensions, hardenedOnes),
    alertNames: new Map([
      [codePoints.unsupported_evidence, 'unsupported_evidence'],
      [codePoints.unsupported_verifiers, 'unsupported_verifiers'],
    ]),
    models: choices(
      options.models,
      isHardened ? ['background-check'] : ['passport', 'background-check'],
      'models',
      isHardened ? ['background-check'] : undefined,
    ),
    prefersOwnOrder: options.prefersOwnOrder ?? false,
    attester,
    presenter,
    identityKey,
    ownCredentials: isHardened ? hardenedCredentials(options, environment) : ownCredentialsOf(options, environment),
    disclosure: options.disclosure ?? {},
    turns,
    quotes,
    batches: turns &&
      options.batch && {
        line: Batches.of(turns),
        terms: { options: batchOptions(options.batch, attesterTimeout), quotes, timer: environment.timer },
      },
    admit: options.admit,
    verifier,
    requirement: verifier ? oneOf(options.require ?? 'required', ['required', 'optional'], 'require') : 'none',
    peerCredentials: choices(
      options.peerCredentials,
      ['x509'],
      'peerCredentials',
      isHardened ? ['x509'] : ['x509', 'attestation-only'],
    ),
    trustedVerifiers: verifier ? (verifier.resultIdentities ?? [verifier.identity]) : [],
    certificateEvidence: options.dangerouslyAcceptCertificateEvidence,
    expectedIdentity: options.expectedIdentity,
    attesterTimeout,
    verifierTimeout,
    peerTimeout: milliseconds(options.timeouts?.peer, 'timeouts.peer', DEFAULT_TIMEOUT + verifierTimeout),
    renewalTimeout: milliseconds(options.timeouts?.renewal, 'timeouts.renewal', 30_000),
    renewalInterval: milliseconds(options.renewEvery, 'renewEvery', 300_000),
    maxConnectionAge: milliseconds(options.maxConnectionAge, 'maxConnectionAge', 3_600_000),
    trace,
  }
  if (settings.renewalInterval < MIN_RENEWAL) throw misuse(`renewEvery is at least ${MIN_RENEWAL} ms`)
  checkRoles(options, settings)
  checkIdentity(options)
  checkCertificateEvidence(settings)
  checkProfile(options, settings)
  if (side === 'client') checkLists(settings)
  return settings
}
const OPTIONS: Readonly<Record<keyof AttestationOptions, true>> = {
  profile: true,
  attester: true,
  presenter: true,
  identityKey: true,
  ownCredentials: true,
  disclosure: true,
  quotes: true,
  batch: true,
  admit: true,
  verifier: true,
  require: true,
  peerCredentials: true,
  dangerouslyAcceptCertificateEvidence: true,
  expectedIdentity: true,
  models: true,
  prefersOwnOrder: true,
  codePoints: true,
  timeouts: true,
  renewEvery: true,
  maxConnectionAge: true,
  trace: true,
  acceptDraft08Risks: true,
  warn: true,
}

/** Whether we have what a model takes, in the direction of our own attestation. */
export function canProve(settings: Settings, model: AttestationModel): boolean {
  const { presenter, attester, ownCredentials } = settings
  const has = model === 'passport' ? presenter !== undefined : hasTypesFor(attester, ownCredentials)
  return has && settings.models.includes(model)
}

/** Whether we have what a model takes, in the direction of the peer's attestation. */
export function canDemand(settings: Settings, model: AttestationModel): boolean {
  const { verifier, trustedVerifiers, models, peerCredentials } = settings
  const has = model === 'passport' ? trustedVerifiers.length > 0 : hasTypesFor(verifier, peerCredentials)
  return has && models.includes(model)
}

/** Who knows types of Evidence: an Attester or a Verifier. */
export type KnowsTypes = Pick<Attester, 'evidenceTypes' | 'speaksForKey'>

/** The entries that types and kinds of credential come to, in order of preference: the kind counts first.
 *  @param mediaTypes those of `role` that count; all unless given */
export function evidenceTypesFor(
  role: KnowsTypes | undefined,
  credentials: readonly AttestationCredential[],
  mediaTypes: readonly string[] = role?.evidenceTypes ?? [],
): readonly EvidenceType[] {
  return credentials.flatMap(credential =>
    mediaTypes
      .filter(mediaType => canComeIn(credential, role, mediaType))
      .map(mediaType => ({ credentialKind: kindOf(credential), type: wireType(mediaType) })),
  )
}

/** Whether Evidence of a type can come in a kind of credential: alone it is all that says whose key it is. */
export function canComeIn(credential: AttestationCredential, role: KnowsTypes | undefined, mediaType: string): boolean {
  return credential === 'x509' || (role?.speaksForKey?.(mediaType) ?? true)
}

function hasTypesFor(role: KnowsTypes | undefined, credentials: readonly AttestationCredential[]): boolean {
  const types = role?.evidenceTypes ?? []
  return credentials.some(credential => types.some(type => canComeIn(credential, role, type)))
}

/** credential_kind of a credential. */
export function kindOf(credential: AttestationCredential): CredentialKind {
  return credential === 'x509' ? CredentialKind.CERT_ATTESTATION : CredentialKind.ATTESTATION
}

/** The credential of a credential_kind. */
export function credentialOf(kind: CredentialKind): AttestationCredential {
  return kind === CredentialKind.CERT_ATTESTATION ? 'x509' : 'attestation-only'
}

/** The certificate type (RFC 7250) of a credential. */
export function certificateTypeOf({ codePoints }: Settings, credential: AttestationCredential): number {
  return credential === 'x509' ? CertificateType.X509 : codePoints.attestation
}

/** A digest over everything that a verdict about a peer depends on besides Evidence and time. A session is resumed
 *  only under the digest that it was earned under. */
export function policyDigestOf({
  profile,
  verifier,
  requirement,
  peerCredentials,
  models,
  ...settings
}: Settings): string {
  const { keyIds, claims } = settings.expectedIdentity ?? {}
  const policy = {
    profile: profile.name,
    verifier: verifier ? [hex(verifier.identity), verifier.policyDigest] : null,
    trustedVerifiers: settings.trustedVerifiers.map(hex),
    requirement,
    peerCredentials: [...peerCredentials].sort(),
    models: [...models].sort(),
    certificateEvidence: settings.certificateEvidence?.maxAgeSeconds ?? null,
    keyIds: keyIds?.map(hex) ?? null,
    claims: claims ? Object.entries(claims).sort(([a], [b]) => (a < b ? -1 : 1)) : null,
  }
  return hex(hash('sha256', utf8(JSON.stringify(policy))))
}

/** What is for one profile only; and `draft08` is neither had by accident nor in silence. */
function checkProfile(options: AttestationOptions, settings: Settings): void {
  const {
    acceptDraft08Risks: accepted = [],
    renewEvery,
    maxConnectionAge,
    batch,
    warn = settings.environment.warn,
  } = options
  for (const risk of accepted) oneOf(risk, ['relay', 'replay', 'diversion'], 'acceptDraft08Risks')
  if (settings.profile === hardened) {
    if (accepted.length > 0) throw misuse('acceptDraft08Risks is for the profile draft08, and this is hardened')
    return
  }
  if (renewEvery !== undefined || maxConnectionAge !== undefined || batch) {
    throw misuse('renewEvery, maxConnectionAge and batch are for the profile hardened')
  }
  warn(checkDraft08Risks(options, settings))
}

function profileOf(name: string): Profile {
  if (name === 'expat')
    throw misuse('the profile expat attests on a connection that is there: exportedAttestation(socket, …)')
  const profile = [hardened, draft08].find(candidate => candidate.name === name)
  if (!profile) throw misuse(`profile is ${JSON.stringify(name)}, which is none of hardened, draft08`)
  return profile
}

/** Under `hardened` a side that attests has a certificate: it says who, and the Evidence says what. */
function hardenedCredentials(
  options: AttestationOptions,
  { hasCertificate }: AttestationEnvironment,
): readonly AttestationCredential[] {
  if (options.presenter) {
    throw misuse(
      'presenter: results that a Verifier issued earlier prove nothing of a connection, so that the profile hardened does not take them',
    )
  }
  if (!options.attester) return []
  if (!hasCertificate) throw misuse('the profile hardened attests beside a certificate, and there is none to present')
  return choices(options.ownCredentials, ['x509'], 'ownCredentials', ['x509'])
}

/** @throws MisuseError */
export function codePointsOf(overrides: Partial<CodePoints> = {}): CodePoints {
  const codePoints = { ...defaultCodePoints, ...overrides }
  for (const [name, value] of Object.entries(codePoints)) {
    if (!(name in defaultCodePoints)) throw misuse(`codePoints.${name} is none of ours`)
    const max = BYTES.has(name) ? 0xff : 0xffff
    if (!Number.isInteger(value) || value < 0 || value > max) {
      throw misuse(`codePoints.${name} has to be a whole number from 0 to ${max}`)
    }
  }
  const { attestation, unsupported_evidence, unsupported_verifiers, atls_control } = codePoints
  if (Object.values<number>(HandshakeType).includes(atls_control)) {
    throw misuse(`codePoints.atls_control is ${atls_control}, which is ${messageName(atls_control)}`)
  }
  if (attestation === CertificateType.X509 || attestation === CertificateType.RawPublicKey) {
    throw misuse(`codePoints.attestation is ${attestation}, which is another certificate type`)
  }
  for (const alert of [unsupported_evidence, unsupported_verifiers]) {
    if (alertName(alert) !== `alert_${alert}`) throw misuse(`alert ${alert} is ${alertName(alert)} already`)
  }
  if (unsupported_evidence === unsupported_verifiers) throw misuse('the two alerts have to have two numbers')
  return codePoints
}

/** Code points of one byte. */
const BYTES: ReadonlySet<string> = new Set([
  'attestation',
  'unsupported_evidence',
  'unsupported_verifiers',
  'atls_control',
])

/** Made once, so that all connections with the usual numbers share one extension table. */
const defaultExtensions = attestationExtensions(defaultCodePoints)
const defaultHardened = hardenedExtensions(defaultCodePoints)
const defaultRows = checkedRows(rowsOf(defaultExtensions))
const defaultHardenedRows = checkedRows([...rowsOf(defaultExtensions), ...rowsOf(defaultHardened)])

function rowsFor(
  isHardened: boolean,
  extensions: AttestationExtensions,
  hardenedOnes: HardenedExtensions,
): readonly ExtensionRow[] {
  if (extensions === defaultExtensions) return isHardened ? defaultHardenedRows : defaultRows
  return checkedRows([...rowsOf(extensions), ...(isHardened ? rowsOf(hardenedOnes) : [])])
}

function checkedRows(rows: readonly ExtensionRow[]): readonly ExtensionRow[] {
  try {
    tableWith({ extensions: rows })
  } catch (cause) {
    throw misuse(`codePoints: ${cause instanceof Error ? cause.message : cause}`)
  }
  return rows
}

function ownCredentialsOf(
  { ownCredentials, identityKey, attester, presenter }: AttestationOptions,
  { hasCertificate }: AttestationEnvironment,
): readonly AttestationCredential[] {
  if (!attester && !presenter) return []
  if (!identityKey && !hasCertificate) {
    throw misuse('there is no key to attest: give an identityKey, or a certificate with its key')
  }
  if (ownCredentials?.includes('x509') && !hasCertificate) {
    throw misuse('ownCredentials has x509, but there is no certificate to present')
  }
  const defaults: AttestationCredential[] = []
  if (hasCertificate) defaults.push('x509')
  if (identityKey) defaults.push('attestation-only')
  return choices(ownCredentials, defaults, 'ownCredentials', ['x509', 'attestation-only'])
}

function checkRoles(options: AttestationOptions, settings: Settings): void {
  const { attester, presenter, verifier, side } = settings
  if (attester?.evidenceTypes.length === 0) throw misuse('the attester has no Evidence type')
  if (presenter?.verifiers.length === 0) throw misuse('the presenter has no Verifier to present results of')
  const isAboutPeer = options.require || options.expectedIdentity || options.peerCredentials
  if (!verifier && (isAboutPeer || options.dangerouslyAcceptCertificateEvidence)) {
    throw misuse(
      'require, expectedIdentity, peerCredentials and dangerouslyAcceptCertificateEvidence are about the peer: they need a verifier',
    )
  }
  const { certificateEvidence } = settings
  if (
    verifier &&
    !certificateEvidence &&
    !canDemand(settings, 'passport') &&
    !canDemand(settings, 'background-check')
  ) {
    throw misuse(
      `the verifier takes neither Evidence nor results under what is allowed by models and peerCredentials; ${ALONE}`,
    )
  }
  if ((attester || presenter) && !canProve(settings, 'passport') && !canProve(settings, 'background-check')) {
    throw misuse(`models and ownCredentials leave nothing to do for the attester or presenter that is given; ${ALONE}`)
  }
  if (!attester && (options.quotes || options.admit || options.batch)) {
    throw misuse('quotes, batch and admit are about our own Evidence: they need an attester')
  }
  if (options.disclosure && side === 'server')
    throw misuse('disclosure is for clients: a server answers what it is asked')
  if (options.disclosure?.onlyToAttested && !verifier) {
    throw misuse('disclosure.onlyToAttested needs a verifier, or no server could be attested')
  }
  for (const identity of [...settings.trustedVerifiers, ...(presenter?.verifiers ?? [])]) {
    if (identity.length > 0xffff) throw misuse('the identity of a Verifier has at most 65535 bytes')
  }
}

const ALONE = 'Evidence that speaks for no key can only come beside X.509'

/** @throws MisuseError */
export function checkIdentity({ expectedIdentity }: Pick<AttestationOptions, 'expectedIdentity'>): void {
  if (!expectedIdentity) return
  const { keyIds, claims } = expectedIdentity
  if (!keyIds && !claims) throw misuse('expectedIdentity expects nothing: give keyIds or claims')
  if (keyIds && (keyIds.length === 0 || keyIds.some(id => id.length !== 32))) {
    throw misuse('expectedIdentity.keyIds are SHA-256 digests of 32 bytes, at least one')
  }
  if (claims && Object.keys(claims).length === 0) throw misuse('expectedIdentity.claims is empty')
}

function checkCertificateEvidence({ certificateEvidence, profile, verifier, peerCredentials }: Settings): void {
  if (!certificateEvidence) return
  const name = 'dangerouslyAcceptCertificateEvidence'
  if (profile === hardened) throw misuse(`${name}: the profile hardened takes Evidence of the connection, and no other`)
  if (!verifier?.appraiseCertificate) throw misuse(`${name} needs a verifier that appraises certificates`)
  if (!peerCredentials.includes('x509')) throw misuse(`${name} needs x509 among the peerCredentials`)
  const { maxAgeSeconds } = certificateEvidence
  if (!Number.isFinite(maxAgeSeconds) || maxAgeSeconds <= 0) {
    throw misuse(`${name}.maxAgeSeconds has to be a positive number of seconds`)
  }
}

/** The lists that a client sends have at most 255 bytes each, which is soon said with media types. */
function checkLists(settings: Settings): void {
  const { verifier, attester, presenter, trustedVerifiers, peerCredentials, ownCredentials } = settings
  if (canDemand(settings, 'background-check')) {
    checkEvidenceTypes('evidence_request', evidenceTypesFor(verifier, peerCredentials), 'peerCredentials')
  }
  if (canProve(settings, 'background-check')) {
    checkEvidenceTypes('evidence_proposal', evidenceTypesFor(attester, ownCredentials), 'ownCredentials')
  }
  if (canDemand(settings, 'passport')) checkVerifiers('results_request', trustedVerifiers)
  if (canProve(settings, 'passport')) checkVerifiers('results_proposal', presenter?.verifiers ?? [])
}

function checkEvidenceTypes(name: string, types: readonly EvidenceType[], option: string): void {
  const length = types.reduce((sum, type) => sum + evidenceTypeLength(type), 0)
  if (length > MAX_LIST_LENGTH) {
    throw misuse(
      `${name} would take ${length} bytes for ${types.length} entries, and has room for ${MAX_LIST_LENGTH}: ` +
        `offer fewer Evidence types, or one kind of credential (${option})`,
    )
  }
  if (types.some((type, i) => types.findIndex(other => isSameEntry(type, other)) !== i)) {
    throw misuse(`${name} would list an Evidence type twice`)
  }
}

function checkVerifiers(name: string, identities: readonly Uint8Array[]): void {
  const length = identities.reduce((sum, identity) => sum + 2 + identity.length, 0)
  if (length > MAX_LIST_LENGTH) {
    throw misuse(
      `${name} would take ${length} bytes for ${identities.length} Verifiers, and has room for ${MAX_LIST_LENGTH}`,
    )
  }
  if (identities.some((identity, i) => identities.findIndex(other => equalBytes(other, identity)) !== i)) {
    throw misuse(`${name} would name a Verifier twice`)
  }
}
const MAX_LIST_LENGTH = 255

/** @throws MisuseError */
export function quoteLimits({ concurrent, waiting }: QuoteLimits = {}): FullQuoteLimits {
  return {
    concurrent: count(concurrent, 8, 1, 'quotes.concurrent'),
    waiting: count(waiting, 256, 0, 'quotes.waiting'),
  }
}

function batchOptions({ window, members }: BatchOptions, attesterTimeout: number): FullBatchOptions {
  const options = {
    window: milliseconds(window, 'batch.window', 100),
    members: count(members, 256, 1, 'batch.members'),
  }
  if (options.window >= attesterTimeout) throw misuse('batch.window has to be shorter than timeouts.attester')
  if (options.members > MAX_MEMBERS) throw misuse(`batch.members is at most ${MAX_MEMBERS}`)
  return options
}

/** The shortest time between two attestations of a peer on one connection, in ms. */
export const MIN_RENEWAL = 10_000
