import { hex } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { type Certificate, type Crl, certificatesIn, parseCertificate, parseCrl } from '../../x509/index.js'
import type { EndorsementNeed } from '../endorsements.js'
import { endorsementKeyOf, isOfChip } from './endorsement-key.js'
import type { SigningCertificateQuery, SnpEndorsements } from './endorsements.js'
import { issuerOf, lineOfRoot, type ProductLine } from './product-line.js'
import { partsOf, type TcbPart, tcbVersion } from './tcb-version.js'

/*
 * What an appraisal of SEV-SNP may need of AMD's key distribution service (AMD 57230 §4):
 *
 *   sev-snp-vcek    line, chip (hex), tcb (hex of 8 bytes)      the certificate of the key that signed
 *   sev-snp-issuer  line, key (vcek or vlek)                    the ASK or ASVK
 *   sev-snp-crl     line                                        what the root of the line has revoked
 *
 * Certificates of VLEKs are handed out to operators only: they come with the report.
 */

/** What came in an answer, read but not yet believed. */
export interface KdsItem {
  readonly value: Certificate | Crl
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  /** When a newer one has to be there: milliseconds since 1970. */
  readonly nextUpdate: number
}

/** The certificate of a signing key as a need; undefined where it cannot be asked for. */
export function signerNeed({ line, kind, chipId, reportedTcb }: SigningCertificateQuery): EndorsementNeed | undefined {
  const isMasked = chipId.every(value => value === 0)
  if (kind === 'VLEK' || line === undefined || isMasked) return undefined
  const chip = hex(line === 'turin' ? chipId.subarray(0, 8) : chipId)
  return { kind: 'sev-snp-vcek', parameters: { line, chip, tcb: hex(reportedTcb) } }
}

/** The certificate of what issues keys of a line, as a need. */
export function issuerNeed(line: ProductLine, kind: 'VCEK' | 'VLEK'): EndorsementNeed {
  return { kind: 'sev-snp-issuer', parameters: { line, key: kind === 'VCEK' ? 'vcek' : 'vlek' } }
}

/** What the root of a line has revoked, as a need. */
export function revocationNeed(line: ProductLine): EndorsementNeed {
  return { kind: 'sev-snp-crl', parameters: { line } }
}

/** How to ask AMD's key distribution service for what an appraisal needs.
 *  @returns the path of the request; undefined for needs that it does not know */
export function kdsPath({ kind, parameters }: EndorsementNeed): string | undefined {
  const line = LINES.find(known => known === parameters.line)
  if (!line) return undefined
  switch (kind) {
    case 'sev-snp-vcek': {
      const { chip = '', tcb = '' } = parameters
      const isForm = /^([0-9a-f]{2})+$/.test(chip) && /^[0-9a-f]{16}$/.test(tcb)
      const levels = isForm ? tcbVersion(bytesOf(tcb), line) : null
      if (!levels || chip.length !== (line === 'turin' ? 16 : 128)) return undefined
      const query = partsOf(levels).map(([part, level]) => `${SPLS[part]}=${String(level).padStart(2, '0')}`)
      return `/vcek/v1/${NAMES[line]}/${chip}?${query.join('&')}`
    }
    case 'sev-snp-issuer':
      return parameters.key === 'vcek' || parameters.key === 'vlek'
        ? `/${parameters.key}/v1/${NAMES[line]}/cert_chain`
        : undefined
    case 'sev-snp-crl':
      return `/vcek/v1/${NAMES[line]}/crl`
    default:
      return undefined
  }
}

const LINES: readonly ProductLine[] = ['milan', 'genoa', 'turin']
const NAMES: Readonly<Record<ProductLine, string>> = { milan: 'Milan', genoa: 'Genoa', turin: 'Turin' }
const SPLS: Readonly<Record<TcbPart, string>> = {
  fmc: 'fmcSPL',
  bootloader: 'blSPL',
  tee: 'teeSPL',
  snp: 'snpSPL',
  microcode: 'ucodeSPL',
}

/** Reads an answer to a need. @throws MessageError or CertificateError if it is not what was asked for */
export function readKdsAnswer(need: EndorsementNeed, body: Uint8Array): KdsItem {
  const { line, chip = '', tcb = '', key } = need.parameters
  switch (need.kind) {
    case 'sev-snp-vcek': {
      const value = parseCertificate(body)
      const found = endorsementKeyOf(value)
      const levels = tcbVersion(bytesOf(tcb), found.line)
      const isAskedFor =
        found.kind === 'VCEK' &&
        found.line === line &&
        isOfChip(found, bytesOf(chip)) &&
        levels !== null &&
        partsOf(levels).every(([part, level]) => found.levels.get(part) === level)
      if (!isAskedFor) throw wrong('the certificate is that of another platform, or of another TCB')
      return certificateItem(value)
    }
    case 'sev-snp-issuer': {
      const certificates = certificatesIn(new TextDecoder('latin1').decode(body)).map(parseCertificate)
      const value = certificates.find(({ subject }) => {
        const issuer = issuerOf(subject)
        return issuer?.line === line && issuer?.kind.toLowerCase() === key
      })
      if (!value) throw wrong('the chain has no certificate of what issues such keys')
      return certificateItem(value)
    }
    case 'sev-snp-crl': {
      const value = parseCrl(body)
      if (lineOfRoot(value.issuer) !== line) throw wrong('the CRL is by another root')
      if (value.nextUpdate === undefined) throw wrong('the CRL does not say when it is replaced')
      return { value, issuedAt: value.thisUpdate, nextUpdate: value.nextUpdate }
    }
    default:
      throw wrong(`a need of kind ${need.kind} is none of SEV-SNP`)
  }
}

function certificateItem(value: Certificate): KdsItem {
  return { value, issuedAt: value.notBefore, nextUpdate: value.notAfter }
}

/** Looks endorsements up among items that are at hand, by the name of the need that each answers. Revocation has to be
 *  known: what the service does not say, nobody has looked at. */
export function kdsEndorsementsOf(itemFor: (need: EndorsementNeed) => KdsItem | undefined): SnpEndorsements {
  const certificateFor = (need: EndorsementNeed | undefined) => {
    const value = need && itemFor(need)?.value
    return value && 'publicKey' in value ? value.der : undefined
  }
  return {
    asksForRevocation: true,
    signingCertificate: query => certificateFor(signerNeed(query)),
    issuerCertificate: (line, kind) => certificateFor(issuerNeed(line, kind)),
    revocationList(line) {
      const value = itemFor(revocationNeed(line))?.value
      return value && 'isRevoked' in value ? value : undefined
    },
  }
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], byte => Number.parseInt(byte, 16))
}

function wrong(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
