import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { type ProductLine, SIMULATED, type TcbPart } from '../../evidence/index.js'
import { parseCertificate } from '../../x509/index.js'
import { issueCertificate, issueCrl } from '../certificate.js'
import { integer, tlv } from '../simulated-intel/der.js'
import { pemOf } from '../simulated-root.js'
import { SimulatedAmdPlatform } from './platform.js'
import type { SimulatedTcb } from './report.js'

/** An AMD for tests and for those without its hardware: the root of a product line, what issues its keys (ASK, ASVK), and
 *  keys of platforms. All is made when it is needed and thrown away; every certificate says SIMULATED in its subject, so
 *  that a Verifier in production refuses the root even when it is configured. The keys of RSA are shorter than AMD's, for
 *  they are made anew each time; all else has the form of the true ones. */
export class SimulatedAmd {
  readonly line: ProductLine
  /** PEM, for the Verifiers that are to trust it. */
  readonly rootPem: string
  readonly #root: Authority
  readonly #issuers = new Map<'VCEK' | 'VLEK', Authority>()
  readonly #now: number

  /** @param options.now milliseconds since 1970: everything is valid for ten years from then on
   *  @param options.line `milan` unless said */
  constructor({ now, line = 'milan' }: { readonly now: number; readonly line?: ProductLine }) {
    this.line = line
    this.#now = now
    this.#root = authority(`ARK-${NAMES[line]}`, null, now)
    this.rootPem = pemOf('CERTIFICATE', this.#root.certificate)
  }

  /** A new platform, with a certificate for the key of its chip at that TCB.
   *  @param options.chipId 64 bytes, on Turin 8; made of `name` unless said */
  platform(options: { readonly tcb?: SimulatedTcb; readonly chipId?: Uint8Array; readonly name?: string } = {}) {
    const { tcb = {}, name = 'platform' } = options
    const chipId = options.chipId ?? hash('sha512', utf8(name)).subarray(0, this.line === 'turin' ? 8 : 64)
    return this.#certified('VCEK', tcb, chipId, { oid: `${ARC}.4`, value: chipId })
  }

  /** A new platform of an operator that hides its chips: reports are signed with the operator's key.
   *  @param options.operator as in `CN=cc-us-east-2.amazonaws.com` */
  operatedPlatform({ operator, tcb = {} }: { readonly operator: string; readonly tcb?: SimulatedTcb }) {
    const chipId = new Uint8Array(64)
    return this.#certified('VLEK', tcb, chipId, { oid: `${ARC}.5`, value: tlv(IA5_STRING, utf8(operator)) })
  }

  /** The list of what the root has revoked: issuers of VCEKs or VLEKs.
   *  @param options.issuedAt milliseconds since 1970   @param options.validDays 30 unless said */
  revocationList(options: {
    readonly issuedAt: number
    readonly validDays?: number
    readonly revoked?: readonly ('VCEK' | 'VLEK')[]
  }): Uint8Array {
    const { issuedAt, validDays = 30, revoked = [] } = options
    const serialNumbers = revoked.map(kind => parseCertificate(this.#issuerOf(kind).certificate).serialNumber)
    const nextUpdate = issuedAt + validDays * 86_400_000
    return issueCrl({ issuer: this.#root.name, thisUpdate: issuedAt, nextUpdate, serialNumbers }, this.#root.key)
  }

  #issuerOf(kind: 'VCEK' | 'VLEK'): Authority {
    const held = this.#issuers.get(kind)
    if (held) return held
    const name = kind === 'VCEK' ? `SEV-${NAMES[this.line]}` : `SEV-VLEK-${NAMES[this.line]}`
    const issuer = authority(name, this.#root, this.#now)
    this.#issuers.set(kind, issuer)
    return issuer
  }

  #certified(
    signingKey: 'VCEK' | 'VLEK',
    tcb: SimulatedTcb,
    chipId: Uint8Array,
    holder: { readonly oid: string; readonly value: Uint8Array },
  ): SimulatedAmdPlatform {
    const issuer = this.#issuerOf(signingKey)
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const parts = TCB_OIDS.filter(([part]) => part !== 'fmc' || this.line === 'turin')
    const certificate = issueCertificate(
      {
        subject: `${SIMULATED} SEV-${signingKey}`,
        issuer: issuer.name,
        publicKey,
        isCa: false,
        ...issuer.validity,
        serialNumber: Uint8Array.of(0),
        extensions: [
          { oid: `${ARC}.1`, value: integer(this.line === 'turin' ? 1 : 0) },
          { oid: `${ARC}.2`, value: tlv(IA5_STRING, utf8(NAMES[this.line])) },
          ...parts.map(([part, suffix]) => ({ oid: `${ARC}.3.${suffix}`, value: integer(tcb[part] ?? 1) })),
          holder,
        ],
      },
      issuer.key,
    )
    const fields = { line: this.line, chipId, tcb, signingKey }
    return new SimulatedAmdPlatform(privateKey, fields, [certificate, issuer.certificate, this.#root.certificate])
  }
}

const NAMES: Readonly<Record<ProductLine, string>> = { milan: 'Milan', genoa: 'Genoa', turin: 'Turin' }
/** Extensions of AMD (AMD 57230 §3.1). */
const ARC = '1.3.6.1.4.1.3704.1'
const TCB_OIDS: readonly (readonly [TcbPart, number])[] = [
  ['bootloader', 1],
  ['tee', 2],
  ['snp', 3],
  ['microcode', 8],
  ['fmc', 9],
]
const IA5_STRING = 0x16

interface Authority {
  readonly name: string
  readonly key: KeyObject
  /** DER. */
  readonly certificate: Uint8Array
  readonly validity: { readonly notBefore: number; readonly notAfter: number }
}

function authority(name: string, issuer: Authority | null, now: number): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const validity = issuer?.validity ?? { notBefore: now - 365 * 86_400_000, notAfter: now + 3650 * 86_400_000 }
  const subject = `${SIMULATED} ${name}`
  const certificate = issueCertificate(
    { subject, issuer: issuer?.name ?? subject, publicKey, isCa: true, ...validity },
    issuer?.key ?? privateKey,
  )
  return { name: subject, key: privateKey, certificate, validity }
}
