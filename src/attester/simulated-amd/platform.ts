import { type KeyObject, sign } from 'node:crypto'
import { concat } from '../../bytes/index.js'
import {
  encodeSignedReport,
  encodeSnpReport,
  type SimulatedSnpPlatformFields,
  type SimulatedSnpReport,
} from './report.js'

/** A platform that a simulated AMD has certified, by the key of its chip (VCEK) or of its operator (VLEK). */
export class SimulatedAmdPlatform {
  readonly fields: SimulatedSnpPlatformFields
  /** DER, the certificate of the signing key first, then that of its issuer. */
  readonly chain: readonly Uint8Array[]
  /** The table of certificates that the host gives with a report. */
  readonly certificateTable: Uint8Array
  readonly #key: KeyObject

  /** @param chain from the signing key's certificate to the root */
  constructor(
    key: KeyObject,
    fields: SimulatedSnpPlatformFields,
    chain: readonly [Uint8Array, Uint8Array, Uint8Array],
  ) {
    const [own, issuer, root] = chain
    this.fields = fields
    this.chain = [own, issuer]
    this.certificateTable = encodeCertificateTable([
      [GUIDS[fields.signingKey], own],
      [GUIDS.issuer, issuer],
      [GUIDS.root, root],
    ])
    this.#key = key
  }

  /** A report, 1184 bytes. */
  report(report: SimulatedSnpReport): Uint8Array {
    return this.sign(encodeSnpReport(report, this.fields))
  }

  /** A report whose signed part is this, whatever it says: `encodeSnpReport` makes one of another platform.
   *  @param body 672 bytes */
  sign(body: Uint8Array): Uint8Array {
    return encodeSignedReport(body, sign('sha384', body, { key: this.#key, dsaEncoding: 'ieee-p1363' }))
  }
}

/** As they stand in the table (AMD 56421 §4.1.8.1). */
const GUIDS = {
  VCEK: '63da758de6644564adc5f4b93be8accd',
  VLEK: 'a8074bc2a25a483eaae639c045a0b8a1',
  issuer: '4ab7b379bbac4fe4a02f05aef327c782',
  root: 'c0b406a4a803495297433fb6014cd0ae',
} as const

function encodeCertificateTable(entries: readonly (readonly [guid: string, certificate: Uint8Array])[]): Uint8Array {
  let offset = (entries.length + 1) * ENTRY_LENGTH
  const heads = entries.map(([guid, { length }]) => {
    const head = new Uint8Array(ENTRY_LENGTH)
    head.set(Buffer.from(guid, 'hex'))
    const view = new DataView(head.buffer)
    view.setUint32(16, offset, true)
    view.setUint32(20, length, true)
    offset += length
    return head
  })
  return concat(...heads, new Uint8Array(ENTRY_LENGTH), ...entries.map(([, certificate]) => certificate))
}

const ENTRY_LENGTH = 24
