import { generateKeyPairSync, sign } from 'node:crypto'
import { concat, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { SIMULATED } from '../../evidence/index.js'
import { issueCertificate } from '../certificate.js'
import { integer, objectIdentifier, octetString, sequence } from '../simulated-intel/der.js'

/** What a simulated GPU measures. */
export interface SimulatedGpuOptions {
  /** Milliseconds since 1970: its certificate is valid around then. */
  readonly now: number
  /** By index: 1 to 255. */
  readonly measurements: ReadonlyMap<number, Uint8Array>
}

/** A GPU made of software, certified by a root of its own. Its reports have the form of NVIDIA's (SPDM 1.1), and its
 *  certificates say SIMULATED. */
export class SimulatedGpu {
  /** PEM, for those who are to trust it. */
  readonly rootPem: string
  /** PEM, the certificate of the key that signs its reports first. */
  readonly chainPem: string
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  readonly #measurements: ReadonlyMap<number, Uint8Array>

  constructor({ now, measurements }: SimulatedGpuOptions) {
    this.#measurements = measurements
    const root = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const validity = { notBefore: now - DAY, notAfter: now + 30 * DAY }
    const names = { subject: ROOT, issuer: ROOT }
    const rootDer = issueCertificate({ ...names, publicKey: root.publicKey, isCa: true, ...validity }, root.privateKey)
    const leaf = issueCertificate(
      {
        subject: `${SIMULATED} GPU`,
        issuer: ROOT,
        publicKey: this.#keys.publicKey,
        isCa: false,
        ...validity,
        extensions: [{ oid: COMPOSITE_DEVICE_ID, value: compositeDeviceId(FIRMWARE) }],
      },
      root.privateKey,
    )
    this.rootPem = pemOf(rootDer)
    this.chainPem = pemOf(leaf) + this.rootPem
  }

  /** A report, and the chain behind it.
   *  @param nonce 32 bytes   @param firmware 48 bytes: what the device says that it runs; what is certified unless said */
  report(nonce: Uint8Array, firmware = FIRMWARE): Uint8Array {
    const blocks = [...this.#measurements].map(([index, value]) => {
      const measurement = concat(Uint8Array.of(0), uint16(value.length), value)
      return concat(Uint8Array.of(index, DMTF), uint16(measurement.length), measurement)
    })
    const record = concat(...blocks)
    const opaque = concat(field(3, utf8('580.1\0')), field(20, firmware))
    const signed = concat(
      Uint8Array.of(0x11, 0xe0, 1, 0xff),
      nonce,
      Uint8Array.of(0),
      Uint8Array.of(0x11, 0x60, 0, 0, blocks.length),
      uint16(record.length),
      Uint8Array.of(0),
      record,
      new Uint8Array(32), // the responder's nonce
      uint16(opaque.length),
      opaque,
    )
    const signature = sign('sha384', signed, { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' })
    return concat(signed, signature, utf8(this.chainPem))
  }
}

const ROOT = `${SIMULATED} NVIDIA root`
const FIRMWARE = hash('sha384', utf8('the firmware of a GPU'))
const COMPOSITE_DEVICE_ID = '2.23.133.5.4.1'
const DMTF = 1
const DAY = 86_400_000

/** The extension that names the firmware of a key (TCG DICE). The key in it is that of the device, which nothing here
 *  looks at. */
function compositeDeviceId(firmware: Uint8Array): Uint8Array {
  const sha384 = objectIdentifier('2.16.840.1.101.3.4.2.2')
  return sequence(integer(1), sequence(), sequence(sha384, octetString(firmware)))
}

function field(number: number, value: Uint8Array): Uint8Array {
  return concat(uint16(number), uint16(value.length), value)
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8)
}

function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
