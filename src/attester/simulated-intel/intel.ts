import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { type DcapCollateral, type DcapTee, SIMULATED } from '../../evidence/index.js'
import { parseCertificate } from '../../x509/index.js'
import { issueCertificate, issueCrl } from '../certificate.js'
import { integer, objectIdentifier, octetString, sequence, tlv } from './der.js'
import { QE_IDENTITIES, SimulatedIntelPlatform } from './platform.js'

/** What the platforms of a simulated Intel are made of. */
export interface SimulatedPckOptions {
  /** The SVN of every component of the SGX TCB; 1 unless said. */
  readonly componentSvn?: number
  /** 1 unless said. */
  readonly pceSvn?: number
}

/** What collateral of a simulated Intel is to say, where it is not the usual. */
export interface SimulatedCollateralOptions {
  readonly tee: DcapTee
  /** When it is issued: milliseconds since 1970. */
  readonly issuedAt: number
  /** 30 unless said, as with the true one. */
  readonly validDays?: number
  /** Members of `tcbInfo`, in place of those that rate every platform of this Intel UpToDate. */
  readonly tcbInfo?: Readonly<Record<string, unknown>>
  /** Members of `enclaveIdentity`, in the same way. */
  readonly qeIdentity?: Readonly<Record<string, unknown>>
  /** Platforms whose PCK certificate is revoked. */
  readonly revoked?: readonly SimulatedIntelPlatform[]
}

/** An Intel for tests and for those without its hardware: a root, the CAs that certify platforms, the key that signs
 *  collateral. All is made when it is needed and thrown away; every certificate says SIMULATED in its subject, so that
 *  a Verifier in production refuses the root even when it is configured. What it signs has the form of the true
 *  quotes and collateral, and goes through the same checks. */
export class SimulatedIntel {
  /** PEM, for the Verifiers that are to trust it. */
  readonly rootPem: string
  readonly #root: Authority
  readonly #platformCa: Authority
  readonly #tcbSigning: Authority

  /** @param options.now milliseconds since 1970: everything is valid for ten years from then on */
  constructor(options: { readonly now: number }) {
    this.#root = authority('Intel SGX Root CA', null, options.now)
    this.#platformCa = authority('Intel SGX PCK Platform CA', this.#root, options.now)
    this.#tcbSigning = authority('Intel SGX TCB Signing', this.#root, options.now, false)
    this.rootPem = pemOf(this.#root.certificate)
  }

  /** A new platform, with a PCK certificate of its own. */
  platform({ componentSvn = 1, pceSvn = 1 }: SimulatedPckOptions = {}): SimulatedIntelPlatform {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const certificate = issueCertificate(
      {
        subject: `${SIMULATED} Intel SGX PCK Certificate`,
        issuer: this.#platformCa.name,
        publicKey,
        isCa: false,
        ...this.#root.validity,
        extensions: [{ oid: SGX_EXTENSION, value: sgxExtension(publicKey, componentSvn, pceSvn) }],
      },
      this.#platformCa.key,
    )
    const chain = [certificate, this.#platformCa.certificate, this.#root.certificate]
    return new SimulatedIntelPlatform(privateKey, chain, chain.map(pemOf).join(''))
  }

  /** Collateral as a PCS would give it for these platforms. */
  collateral(options: SimulatedCollateralOptions) {
    const { tee, issuedAt, validDays = 30, revoked = [] } = options
    const until = issuedAt + validDays * DAY
    const dates = { issueDate: timeText(issuedAt), nextUpdate: timeText(until) }
    const rating = { tcbDate: timeText(issuedAt - 100 * DAY), tcbStatus: 'UpToDate' }
    const components = Array.from({ length: 16 }, () => ({ svn: 1 }))
    const tcbInfo = {
      id: tee.toUpperCase(),
      version: 3,
      ...dates,
      fmspc: FMSPC,
      pceId: '0000',
      tcbType: 0,
      tcbEvaluationDataNumber: 1,
      ...(tee === 'tdx' ? tdxModules(rating) : {}),
      tcbLevels: [
        {
          tcb: {
            sgxtcbcomponents: components,
            pcesvn: 1,
            ...(tee === 'tdx' ? { tdxtcbcomponents: components.map(({ svn }, i) => ({ svn: i < 3 ? svn : 0 })) } : {}),
          },
          ...rating,
        },
      ],
      ...options.tcbInfo,
    }
    const identity = QE_IDENTITIES[tee]
    const qeIdentity = {
      id: tee === 'tdx' ? 'TD_QE' : 'QE',
      version: 2,
      ...dates,
      tcbEvaluationDataNumber: 1,
      miscselect: '00000000',
      miscselectMask: 'FFFFFFFF',
      attributes: '01000000000000000000000000000000',
      attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
      mrsigner: hex(identity.mrSigner).toUpperCase(),
      isvprodid: identity.isvProdId,
      tcbLevels: [{ tcb: { isvsvn: 1 }, ...rating }],
      ...options.qeIdentity,
    }
    const signers = pemOf(this.#tcbSigning.certificate) + this.rootPem
    const serials = revoked.map(({ chain: [leaf] }) => serialNumberOf(leaf))
    return {
      tcbInfo: this.#signed('tcbInfo', tcbInfo),
      tcbInfoIssuerChain: signers,
      qeIdentity: this.#signed('enclaveIdentity', qeIdentity),
      qeIdentityIssuerChain: signers,
      pckCrl: crlOf(this.#platformCa, issuedAt, until, serials),
      rootCrl: crlOf(this.#root, issuedAt, until, []),
    } satisfies DcapCollateral
  }

  /** `{"tcbInfo":…,"signature":…}`, the signature over the text of the value. */
  #signed(member: string, content: unknown): string {
    const text = JSON.stringify(content)
    const signature = sign('sha256', utf8(text), { key: this.#tcbSigning.key, dsaEncoding: 'ieee-p1363' })
    return `{"${member}":${text},"signature":"${hex(signature)}"}`
  }
}

interface Authority {
  readonly name: string
  readonly key: KeyObject
  /** DER. */
  readonly certificate: Uint8Array
  readonly validity: { readonly notBefore: number; readonly notAfter: number }
}

function authority(name: string, issuer: Authority | null, now: number, isCa = true): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const validity = issuer?.validity ?? { notBefore: now - 365 * DAY, notAfter: now + 3650 * DAY }
  const subject = `${SIMULATED} ${name}`
  const certificate = issueCertificate(
    { subject, issuer: issuer?.name ?? subject, publicKey, isCa, ...validity },
    issuer?.key ?? privateKey,
  )
  return { name: subject, key: privateKey, certificate, validity }
}

function crlOf(issuer: Authority, thisUpdate: number, nextUpdate: number, serialNumbers: readonly Uint8Array[]) {
  return issueCrl({ issuer: issuer.name, thisUpdate, nextUpdate, serialNumbers }, issuer.key)
}

function serialNumberOf(certificate: Uint8Array | undefined): Uint8Array {
  if (!certificate) throw new RangeError('a platform without a certificate cannot be revoked')
  return parseCertificate(certificate).serialNumber
}

/** The modules that TDs can be launched by: TDX 1.5 from minor version 5 on. */
function tdxModules(rating: Readonly<Record<string, unknown>>) {
  const signer = { mrsigner: '0'.repeat(96), attributes: '0'.repeat(16), attributesMask: 'F'.repeat(16) }
  return {
    tdxModule: signer,
    tdxModuleIdentities: [{ id: 'TDX_01', ...signer, tcbLevels: [{ tcb: { isvsvn: 5 }, ...rating }] }],
  }
}

/** The extension of PCK certificates that tells platform and TCB. */
function sgxExtension(publicKey: KeyObject, componentSvn: number, pceSvn: number): Uint8Array {
  const field = (suffix: string, value: Uint8Array) => sequence(objectIdentifier(`${SGX_EXTENSION}.${suffix}`), value)
  const svns = Array.from({ length: 16 }, (_, i) => field(`2.${i + 1}`, integer(componentSvn)))
  const cpuSvn = new Uint8Array(16).fill(componentSvn)
  // Any 16 bytes do that are another platform's on another platform.
  const ppid = hash('sha256', publicKey.export({ format: 'der', type: 'spki' })).subarray(0, 16)
  return sequence(
    field('1', octetString(ppid)),
    field('2', sequence(...svns, field('2.17', integer(pceSvn)), field('2.18', octetString(cpuSvn)))),
    field('3', octetString(new Uint8Array(2))),
    field('4', octetString(Buffer.from(FMSPC, 'hex'))),
    field('5', tlv(0x0a, Uint8Array.of(1))),
    field('6', octetString(ppid)),
  )
}

const SGX_EXTENSION = '1.2.840.113741.1.13.1'
/** `SIMULA` in ASCII: no family of processors. */
const FMSPC = '53494D554C41'
const DAY = 86_400_000

function timeText(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+/, '')
}

/** PEM (RFC 7468). */
function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
