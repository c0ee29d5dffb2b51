import { type Cmw, decodeCmw, decodeCmwExtension, ID_PE_CMW, Indicator } from '../../rats/index.js'
import type { Certificate } from '../../x509/index.js'
import { checkAttestedKey } from '../checks.js'
import { Assertion, type Finding, failed, passed, vectorOf } from '../finding.js'
import { type Appraisal, type AppraisalInputs, type EvidenceFormat, MalformedEvidence } from '../format.js'
import { formatOf } from '../formats.js'
import { wellFormed } from '../message.js'
import { GRAMINE_MEDIA_TYPE, gramineEvidence, RA_TLS_MEDIA_TYPE, RaTlsTag, raTlsEvidence } from './ra-tls.js'

/** Extensions that Evidence stands in, in the order in which they are looked for. */
export const EvidenceExtension = {
  /** A CMW (RFC 9999 §4.4). */
  cmw: ID_PE_CMW,
  /** tcg-dice-conceptual-message-wrapper: what interoperable RA-TLS uses, and a CMW in CBOR. */
  dice: '2.23.133.5.4.9',
  /** What Gramine used before: the quote as it is. */
  gramine: '0.6.9.42.840.113741.1337.6',
} as const

/** Evidence that stands in a certificate. */
export interface CarriedEvidence {
  /** OID of the extension. */
  readonly extension: string
  readonly message: Cmw
  /** Undefined where the type is not known. */
  readonly format: EvidenceFormat | undefined
}

/** Takes the Evidence out of a certificate; nothing of it is checked yet. It is worth little: it was made before the
 *  connection, for nobody in particular, and whoever has stolen the key of the certificate has it too.
 *  @returns null if there is none   @throws MalformedEvidence */
export function evidenceInCertificate({ extensions }: Certificate): CarriedEvidence | null {
  for (const [oid, read] of READERS) {
    const extension = extensions.get(oid)
    if (extension) return { extension: oid, ...wellFormed(() => read(extension.value)) }
  }
  return null
}

type Carried = Omit<CarriedEvidence, 'extension'>

const READERS: readonly (readonly [oid: string, read: (value: Uint8Array) => Carried])[] = [
  [EvidenceExtension.cmw, value => inCmw(decodeCmwExtension(value))],
  [EvidenceExtension.dice, value => inDice(value)],
  [EvidenceExtension.gramine, value => ({ message: record(GRAMINE_MEDIA_TYPE, value), format: gramineEvidence })],
]

function inCmw(message: Cmw): Carried {
  if (message.kind === 'record' && message.indicators && !(message.indicators & Indicator.evidence)) {
    throw new MalformedEvidence('the message in the certificate is no Evidence, by its own account')
  }
  return { message, format: formatOf(message) }
}

function inDice(value: Uint8Array): Carried {
  const tag = tagOf(value)
  if (tag === RaTlsTag.quote) return { message: record(RA_TLS_MEDIA_TYPE, value), format: raTlsEvidence }
  if (tag === RaTlsTag.report || tag === RaTlsTag.sgxReport) {
    throw new MalformedEvidence('the certificate has a report that can be checked only on the machine it comes from')
  }
  return inCmw(decodeCmw(value, 'cbor'))
}

/** The CBOR tag of 16 bits that bytes begin with. */
function tagOf([head, high = 0, low = 0]: Uint8Array): number | undefined {
  return head === 0xd9 ? high * 256 + low : undefined
}

function record(type: string, value: Uint8Array): Cmw {
  return { kind: 'record', type, value, indicators: Indicator.evidence }
}

/** Appraises Evidence for the certificate that it stands in. There is no challenge to compare: how old the Evidence may
 *  be is a question of the certificate's dates, which say what the holder of its key likes if nobody else has signed it.
 *  @param maxAgeSeconds how old the certificate may be
 *  @throws MalformedEvidence, MissingEndorsement as `EvidenceFormat.appraise` */
export function appraiseCarried(
  { message, format, extension }: CarriedEvidence & { readonly format: EvidenceFormat },
  certificate: Certificate,
  { maxAgeSeconds, ...inputs }: Omit<AppraisalInputs, 'challenge'> & { readonly maxAgeSeconds: number },
): Appraisal {
  const appraisal = format.appraise(message, { ...inputs, challenge: null })
  const own = [checkAge(certificate, maxAgeSeconds, inputs.at, extension)]
  // A format that has no room for a key does not look for one either.
  const looksForKey = appraisal.checks.some(({ name }) => name === 'key-binding')
  if (!looksForKey) own.push(checkAttestedKey(appraisal.attestedKey, inputs.key))
  const environments = Object.entries(appraisal.environments).map(([name, { vector, claims }]) => {
    return [name, { vector: { ...vector, ...worsened(own) }, claims }] as const
  })
  return {
    ...appraisal,
    checks: [...appraisal.checks, ...own.map(({ check }) => check)],
    environments: Object.fromEntries(environments),
    // Nobody has asked for it, so it answers nobody.
    challenge: null,
  }
}

function worsened(own: readonly Finding[]) {
  return vectorOf(own.filter(({ check }) => !check.passed))
}

function checkAge({ notBefore, notAfter }: Certificate, maxAgeSeconds: number, at: number, extension: string): Finding {
  const ageSeconds = Math.floor((at - notBefore) / 1000)
  const subject = {
    name: 'certificate-age',
    expected: `a certificate in force, ${maxAgeSeconds} s old at most`,
    actual: at > notAfter ? 'one that has expired' : `${ageSeconds} s, since ${new Date(notBefore).toISOString()}`,
    source: `the certificate, whose extension ${extension} has the Evidence`,
  }
  if (at <= notAfter && ageSeconds >= 0 && ageSeconds <= maxAgeSeconds) return passed(subject)
  const remedy = 'have the peer attest in the handshake, or make new certificates more often'
  return failed(subject, remedy, 'instance-identity', Assertion.contraindicated)
}
