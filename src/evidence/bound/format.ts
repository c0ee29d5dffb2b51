import { concat } from '../../bytes/index.js'
import { type Cmw, type CmwCollection, type CmwRecord, Indicator, sameMediaType } from '../../rats/index.js'
import { type AppraisedReport, appraiseReport } from '../appraise-platform.js'
import { checkAttestedKey, checkChallenge, shortHex } from '../checks.js'
import { allPassed, type Finding, failed, passed, vectorOf } from '../finding.js'
import {
  type Appraisal,
  type AppraisalInputs,
  type EvidenceFormat,
  MalformedEvidence,
  type Platform,
} from '../format.js'
import { recordOf, wellFormed } from '../message.js'
import { decodeKeyClaims, encodeKeyClaims, isReportDataFor, type KeyClaims } from './key-claims.js'

/** How the reports of a platform that has one free field in them are sent. */
export interface BoundReportOptions<Report> {
  readonly platform: Platform<Report>
  /** For people: `TDX quote`. */
  readonly name: string
  /** Media type of a report. */
  readonly reportType: string
  /** Media type of the certificates that may come beside it; they are appended to the report. */
  readonly certificatesType?: string
  /** The size of the free field in bytes. */
  readonly fieldLength: number
}

/** The type of the collection in which a report of that kind comes with the claims that it is bound to. */
export function boundCollectionType(kind: string): string {
  return `tag:attested-tls.dev,2026:${kind}`
}

/** The format of a report that is bound to a challenge and a key: a collection of the report and the key claims, whose
 *  hash stands in the report's free field. It speaks for the key, so that it can stand in place of a certificate. */
export function boundReport<Report>(options: BoundReportOptions<Report>): EvidenceFormat {
  const { platform, name } = options
  const read = (message: Cmw) => {
    const { claims, report } = partsOf(message, options)
    return {
      claims,
      keyClaims: wellFormed(() => decodeKeyClaims(claims)),
      report: wellFormed(() => platform.decode(report)),
    }
  }
  return {
    name: `${name}, bound to a key`,
    kinds: [platform.kind],
    mediaTypes: [`application/cmw+cbor; cmwc_t="${boundCollectionType(platform.kind)}"`],
    challengeLength: undefined,
    speaksForKey: true,
    ...(platform.needs && { needs: message => platform.needs?.(read(message).report) ?? [] }),

    appraise(message, inputs) {
      const { claims, keyClaims, report } = read(message)
      const own = [checkChallenge(keyClaims.nonce, inputs.challenge), checkAttestedKey(keyClaims.key.spki, inputs.key)]
      const appraised = appraiseReport(platform, report, inputs, field => [checkField(field, claims)])
      return appraisalOf(platform.kind, own, appraised, {
        attestedKey: keyClaims.key.spki,
        challenge: keyClaims.nonce,
      })
    },
  }
}

/** The format of a report alone: its free field is the challenge, which has to be bound to the connection, because
 *  there is no room for a key. For use beside a certificate. */
export function bareReport<Report>(options: BoundReportOptions<Report>): EvidenceFormat {
  const { platform, name, reportType, fieldLength } = options
  const decoded = (message: Cmw): Report => wellFormed(() => platform.decode(recordOf(message, `a ${name}`).value))
  return {
    name,
    kinds: [platform.kind],
    mediaTypes: [reportType],
    challengeLength: fieldLength,
    speaksForKey: false,
    ...(platform.needs && { needs: message => platform.needs?.(decoded(message)) ?? [] }),

    appraise(message: Cmw, inputs: AppraisalInputs) {
      const appraised = appraiseReport(platform, decoded(message), inputs, found => [
        checkChallenge(found, inputs.challenge),
      ])
      return appraisalOf(platform.kind, [], appraised, { attestedKey: null, challenge: appraised.challenge })
    },
  }
}

/** Evidence of a platform with one free field: asks for a report whose field binds challenge and key, and puts both
 *  together. For attesters of such platforms.
 *  @param reportFor gets the report for a field of `options.fieldLength` bytes, and the certificates if there are any */
export async function makeBoundReport<Report>(
  options: BoundReportOptions<Report>,
  { nonce, key }: KeyClaims,
  reportFor: (keyClaims: Uint8Array) => Promise<{ readonly report: Uint8Array; readonly certificates?: Uint8Array }>,
): Promise<CmwCollection> {
  const claims = encodeKeyClaims({ nonce, key })
  const { report, certificates } = await reportFor(claims)
  const entries = new Map<string, CmwRecord>([
    [KEY_CLAIMS, { kind: 'record', type: UCCS, value: claims }],
    [REPORT, { kind: 'record', type: options.reportType, value: report, indicators: Indicator.evidence }],
  ])
  if (certificates && options.certificatesType) {
    const type = options.certificatesType
    entries.set(CERTIFICATES, { kind: 'record', type, value: certificates, indicators: Indicator.endorsements })
  }
  return { kind: 'collection', type: boundCollectionType(options.platform.kind), entries }
}

/** The unsigned claims count for nothing but by this. */
function checkField(field: Uint8Array, claims: Uint8Array): Finding {
  const expected = 'report data = hash of the key claims'
  const subject = { name: 'kat-binding', expected, source: 'docs/binding.md' }
  if (isReportDataFor(field, claims)) return passed({ ...subject, actual: expected })
  const remedy = 'the report belongs to another key or session: somebody put together what does not belong together'
  return failed({ ...subject, actual: `report data ${shortHex(field)}` }, remedy, 'instance-identity')
}

function appraisalOf(
  kind: string,
  own: readonly Finding[],
  { findings, environment, isGenuine, isSimulated }: AppraisedReport,
  bound: Pick<Appraisal, 'attestedKey' | 'challenge'>,
): Appraisal {
  const all = [...own, ...findings]
  return {
    checks: all.map(({ check }) => check),
    environments: { [kind]: { vector: vectorOf(all), claims: environment.claims } },
    ...(isGenuine && allPassed(findings, ['kat-binding']) ? bound : { attestedKey: null, challenge: null }),
    isSimulated,
  }
}

function partsOf<Report>(
  message: Cmw,
  { platform, reportType, certificatesType }: BoundReportOptions<Report>,
): { readonly claims: Uint8Array; readonly report: Uint8Array } {
  const isBound = message.kind === 'collection' && message.type === boundCollectionType(platform.kind)
  if (!isBound) throw new MalformedEvidence('a bound report is a collection of its own type')
  const claims = valueIn(message, KEY_CLAIMS, UCCS)
  const report = valueIn(message, REPORT, reportType)
  const certificates = certificatesType === undefined ? undefined : valueIn(message, CERTIFICATES, certificatesType)
  if (!claims || !report || message.entries.size !== (certificates ? 3 : 2)) {
    throw new MalformedEvidence(
      'a bound report is a collection of key claims and report, and nothing that is not known',
    )
  }
  return { claims, report: certificates ? concat(report, certificates) : report }
}

function valueIn({ entries }: CmwCollection, label: string, type: string): Uint8Array | undefined {
  const entry = entries.get(label)
  if (entry?.kind !== 'record') return undefined
  if (!sameMediaType(entry.type, type)) throw new MalformedEvidence(`the ${label} of a bound report is not of its type`)
  return entry.value
}

const KEY_CLAIMS = 'kat'
const REPORT = 'report'
const CERTIFICATES = 'certificates'
const UCCS = 'application/uccs+cbor'
