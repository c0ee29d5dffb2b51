import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { hex } from '../../bytes/index.js'
import { hash, type SigningKey, signingKey } from '../../crypto/index.js'
import { SIMULATED } from '../../evidence/index.js'
import { type CborValue, encodeCbor, makeSign1, messageSigner } from '../../rats/index.js'
import { issueCertificate } from '../certificate.js'
import { pemOf } from '../simulated-root.js'

/** What an enclave of a simulated Nitro has measured, and puts into its documents. */
export interface SimulatedNitroDocument {
  /** PCR values of 48 bytes by index; those that are left out are zero. With PCR 0 to 2 zero it is an enclave that was
   *  started for debugging. */
  readonly pcrs: Readonly<Record<number, Uint8Array>>
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly nonce?: Uint8Array
  readonly publicKey?: Uint8Array
  readonly userData?: Uint8Array
}

/** The Nitro of a simulated AWS, for tests and for those without one: a root and what lies between it and the machines.
 *  All is made when it is needed and thrown away; every certificate says SIMULATED in its subject, so that a Verifier in
 *  production refuses the root even when it is configured. */
export class SimulatedNitro {
  /** PEM, for the Verifiers that are to trust it. */
  readonly rootPem: string
  readonly #root: Authority
  readonly #zone: Authority

  /** @param options.now milliseconds since 1970: everything is valid for ten years from then on */
  constructor({ now }: { readonly now: number }) {
    this.#root = authority('aws.nitro-enclaves', null, now)
    this.#zone = authority('zonal.aws.nitro-enclaves', this.#root, now)
    this.rootPem = pemOf('CERTIFICATE', this.#root.certificate)
  }

  /** A new machine.
   *  @param validity milliseconds since 1970; ten years unless said */
  platform(validity: { readonly notBefore: number; readonly notAfter: number } = this.#root.validity) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const id = hex(hash('sha256', publicKey.export({ format: 'der', type: 'spki' })).subarray(0, 8))
    const moduleId = `i-simulated-enc${id}`
    const certificate = issueCertificate(
      { subject: `${SIMULATED} ${moduleId}`, issuer: this.#zone.name, publicKey, isCa: false, ...validity },
      this.#zone.key,
    )
    const caBundle = [this.#root.certificate, this.#zone.certificate]
    return new SimulatedNitroPlatform(signingKey(privateKey), moduleId, certificate, caBundle)
  }
}

/** A machine of a simulated Nitro, with its security module. */
export class SimulatedNitroPlatform {
  readonly moduleId: string
  readonly #key: SigningKey
  readonly #certificate: Uint8Array
  readonly #caBundle: readonly Uint8Array[]

  constructor(key: SigningKey, moduleId: string, certificate: Uint8Array, caBundle: readonly Uint8Array[]) {
    this.moduleId = moduleId
    this.#key = key
    this.#certificate = certificate
    this.#caBundle = caBundle
  }

  /** An attestation document, in COSE without a tag, as the true module gives it.
   *  @param changes members of the document in place of those that it would have, for tests of what refuses them */
  document(content: SimulatedNitroDocument, changes: Readonly<Record<string, CborValue>> = {}): Promise<Uint8Array> {
    const pcrs = Array.from({ length: 16 }, (_, i) => [i, content.pcrs[i] ?? new Uint8Array(48)] as const)
    const members = new Map<string, CborValue>([
      ['module_id', this.moduleId],
      ['digest', 'SHA384'],
      ['timestamp', content.timestamp],
      ['pcrs', new Map(pcrs)],
      ['certificate', this.#certificate],
      ['cabundle', this.#caBundle],
      ['public_key', content.publicKey ?? null],
      ['user_data', content.userData ?? null],
      ['nonce', content.nonce ?? null],
      ...Object.entries(changes),
    ])
    return makeSign1(encodeCbor(members), messageSigner(this.#key), { tagging: 'none' })
  }
}

interface Authority {
  readonly name: string
  readonly key: KeyObject
  /** DER. */
  readonly certificate: Uint8Array
  readonly validity: { readonly notBefore: number; readonly notAfter: number }
}

function authority(name: string, issuer: Authority | null, now: number): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const validity = issuer?.validity ?? { notBefore: now - 365 * 86_400_000, notAfter: now + 3650 * 86_400_000 }
  const subject = `${SIMULATED} ${name}`
  const certificate = issueCertificate(
    { subject, issuer: issuer?.name ?? subject, publicKey, isCa: true, ...validity },
    issuer?.key ?? privateKey,
  )
  return { name: subject, key: privateKey, certificate, validity }
}
