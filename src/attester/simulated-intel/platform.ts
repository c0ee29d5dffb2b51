import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { concat, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import type { DcapTee } from '../../evidence/index.js'
import {
  encodeSgxReport,
  encodeTdReport,
  type SimulatedSgxReport,
  type SimulatedTdReport,
  uint16,
  uint32,
  zeros,
} from './report-bodies.js'

/** A platform that a simulated Intel has certified: its PCK, and a Quoting Enclave with an attestation key. */
export class SimulatedIntelPlatform {
  /** DER, the PCK certificate first. */
  readonly chain: readonly Uint8Array[]
  /** The same in PEM. */
  readonly pem: string
  readonly #pck: KeyObject
  readonly #certifications = new Map<string, Uint8Array>()
  readonly #attestationKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })

  /** For SimulatedIntel: it is what certifies platforms. */
  constructor(pck: KeyObject, chain: readonly Uint8Array[], pem: string) {
    this.#pck = pck
    this.chain = chain
    this.pem = pem
  }

  /** An SGX quote, version 3.
   *  @param qeSvn the version of the Quoting Enclave; 1 unless said */
  sgxQuote(report: SimulatedSgxReport, qeSvn = 1): Uint8Array {
    const signed = concat(header(3, 0), encodeSgxReport(report))
    return this.#quote('sgx', signed, qeSvn)
  }

  /** A TDX quote: version 5 if the report is one of TDX 1.5, otherwise 4.
   *  @param qeSvn the version of the Quoting Enclave; 1 unless said */
  tdxQuote(report: SimulatedTdReport, qeSvn = 1): Uint8Array {
    const body = encodeTdReport(report)
    const signed = report.teeTcbSvn2
      ? concat(header(5, TDX), uint16(TD_REPORT_15), uint32(body.length), body)
      : concat(header(4, TDX), body)
    return this.#quote('tdx', signed, qeSvn)
  }

  #quote(tee: DcapTee, signed: Uint8Array, qeSvn: number): Uint8Array {
    const certification = this.#certification(tee, qeSvn)
    const signatureData = concat(
      rawSignature(this.#attestationKey.privateKey, signed),
      pointOf(this.#attestationKey.publicKey),
      ...(tee === 'tdx' ? [uint16(QE_REPORT_DATA), uint32(certification.length)] : []),
      certification,
    )
    return concat(signed, uint32(signatureData.length), signatureData)
  }

  /** What vouches for the attestation key. As on a true platform it is made once, and not for every quote. */
  #certification(tee: DcapTee, isvSvn: number): Uint8Array {
    const name = `${tee} ${isvSvn}`
    const made = this.#certifications.get(name)
    if (made) return made
    const authData = new Uint8Array(32).fill(1)
    const reportData = concat(hash('sha256', pointOf(this.#attestationKey.publicKey), authData), zeros(32))
    const qeReport = encodeSgxReport({ ...QE_IDENTITIES[tee], isvSvn, reportData })
    const chain = utf8(this.pem)
    const certification = concat(
      qeReport,
      rawSignature(this.#pck, qeReport),
      uint16(authData.length),
      authData,
      uint16(PCK_CHAIN),
      uint32(chain.length),
      chain,
    )
    this.#certifications.set(name, certification)
    return certification
  }
}

/** Quoting Enclaves of a simulated Intel: not those of the true one. */
export const QE_IDENTITIES: Readonly<Record<DcapTee, { readonly mrSigner: Uint8Array; readonly isvProdId: number }>> = {
  sgx: { mrSigner: hash('sha256', utf8('SIMULATED Quoting Enclave')), isvProdId: 1 },
  tdx: { mrSigner: hash('sha256', utf8('SIMULATED TD Quoting Enclave')), isvProdId: 2 },
}

const TDX = 0x81
const TD_REPORT_15 = 3
const PCK_CHAIN = 5
const QE_REPORT_DATA = 6

function header(version: number, teeType: number): Uint8Array {
  const ecdsaP256 = uint16(2)
  return concat(uint16(version), ecdsaP256, uint32(teeType), zeros(4), Buffer.from(INTEL_QE_VENDOR, 'hex'), zeros(20))
}

/** Quotes have to be by a Quoting Enclave of Intel's, or nothing else of them is looked at. */
const INTEL_QE_VENDOR = '939a7233f79c4ca9940a0db3957f0607'

function rawSignature(key: KeyObject, data: Uint8Array): Uint8Array {
  return sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' })
}

/** X‖Y of a P-256 key. */
function pointOf(key: KeyObject): Uint8Array {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return concat(Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url'))
}
