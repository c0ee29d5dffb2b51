import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { concat, hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { type AzureParts, type AzureTee, pcrDigestOf } from '../../evidence/index.js'
import { toBase64url } from '../../rats/index.js'
import type { SimulatedAmdPlatform } from '../simulated-amd/platform.js'
import type { SimulatedSnpReport } from '../simulated-amd/report.js'
import type { SimulatedIntelPlatform } from '../simulated-intel/platform.js'
import type { SimulatedTdReport } from '../simulated-intel/report-bodies.js'
import { encodeQuote } from '../simulated-tpm/structures.js'

/** What protects a simulated VM, and what its paravisor has measured; the report data is the paravisor's. */
export type SimulatedAzureHardware =
  | {
      readonly tee: 'sev-snp'
      readonly platform: SimulatedAmdPlatform
      readonly report: Omit<SimulatedSnpReport, 'reportData'>
    }
  | {
      readonly tee: 'tdx'
      readonly platform: SimulatedIntelPlatform
      readonly report: Omit<SimulatedTdReport, 'reportData'>
    }

/** What a paravisor is to say otherwise, for tests of what refuses it. */
export interface SimulatedAzureChanges {
  /** What it says besides the key of its vTPM, or in place of it. */
  readonly variableData?: Readonly<Record<string, unknown>>
  /** 64 bytes in place of the hash over what it says. */
  readonly reportData?: Uint8Array
  /** The private key of the vTPM, RSA; made anew unless given, which takes its time. */
  readonly attestationKey?: KeyObject
}

/** A confidential VM of a simulated Azure: a paravisor on a simulated platform of AMD or Intel, whose certificates say that
 *  it is SIMULATED, and its vTPM. */
export class SimulatedAzureVm {
  readonly tee: AzureTee
  readonly #hardware: SimulatedAzureHardware
  readonly #key: KeyObject
  readonly #hclReport: Uint8Array
  readonly #reportData: Uint8Array
  readonly #pcrs = new Map<number, Uint8Array>(
    Array.from({ length: 24 }, (_, register) => [register, new Uint8Array(32)]),
  )

  constructor(hardware: SimulatedAzureHardware, changes: SimulatedAzureChanges = {}) {
    const privateKey = changes.attestationKey ?? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const { n, e, kty } = createPublicKey(privateKey).export({ format: 'jwk' })
    const variableData = utf8(
      JSON.stringify({
        keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty, e, n }],
        'vm-configuration': { 'secure-boot': true, 'tpm-enabled': true, vmUniqueId: 'SIMULATED' },
        'user-data': '00'.repeat(64),
        ...changes.variableData,
      }),
    )
    this.tee = hardware.tee
    this.#hardware = hardware
    this.#key = privateKey
    this.#reportData = changes.reportData ?? concat(hash('sha256', variableData), new Uint8Array(32))
    this.#hclReport = encodeHclReport(hardware.tee, this.#hardwareReport(), variableData)
  }

  /** Extends a PCR of the SHA-256 bank. */
  extend(register: number, data: Uint8Array): void {
    const held = this.#pcrs.get(register)
    if (!held) throw new RangeError(`there is no PCR ${register}`)
    this.#pcrs.set(register, hash('sha256', held, hash('sha256', data)))
  }

  /** Values of the PCRs. */
  get pcrs(): ReadonlyMap<number, Uint8Array> {
    return this.#pcrs
  }

  /** What the devices of the VM give for a challenge. @param challenge at most 50 bytes, as in the true vTPM */
  parts(challenge: Uint8Array): AzureParts {
    if (challenge.length > 50) throw new RangeError(`the vTPM quotes at most 50 bytes, not ${challenge.length}`)
    const selections = [{ bank: 'sha256', registers: [...this.#pcrs.keys()] }] as const
    const digest = pcrDigestOf(selections, new Map([['sha256', this.#pcrs]]), 'sha256') ?? new Uint8Array(0)
    const message = encodeQuote({ qualifiedSigner: new Uint8Array(34), extraData: challenge }, selections, digest)
    const shared = {
      hclReport: this.#hclReport,
      message,
      signature: Uint8Array.from(sign('sha256', message, this.#key)),
      pcrs: new Map(this.#pcrs),
    }
    const hardware = this.#hardware
    return hardware.tee === 'sev-snp'
      ? { ...shared, vcek: hardware.platform.chain[0] }
      : { ...shared, tdQuote: hardware.platform.tdxQuote({ ...hardware.report, reportData: this.#reportData }) }
  }

  /** The same as the attestation agent sends it. */
  evidence(challenge: Uint8Array): Uint8Array {
    const { hclReport, message, signature, pcrs, vcek, tdQuote } = this.parts(challenge)
    return utf8(
      JSON.stringify({
        version: 1,
        tpm_quote: { signature: hex(signature), message: hex(message), pcrs: [...pcrs.values()].map(hex) },
        hcl_report: toBase64url(hclReport),
        ...(vcek && { vcek: toBase64url(vcek) }),
        ...(tdQuote && { td_quote: toBase64url(tdQuote) }),
      }),
    )
  }

  #hardwareReport(): Uint8Array {
    const reportData = this.#reportData
    if (this.#hardware.tee === 'sev-snp')
      return this.#hardware.platform.report({ ...this.#hardware.report, reportData })
    // Of a TDREPORT nothing is looked at but this: it has no signature.
    const report = new Uint8Array(1024)
    report.set(reportData, 128)
    return report
  }
}

function encodeHclReport(tee: AzureTee, hardware: Uint8Array, variableData: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2600)
  const view = new DataView(bytes.buffer)
  const numbers = (at: number, ...values: readonly number[]) => {
    for (const [i, value] of values.entries()) view.setUint32(at + 4 * i, value, true)
  }
  bytes.set(utf8('HCLA'))
  numbers(4, tee === 'tdx' ? 2 : 1, 1236 + variableData.length, 2, 0)
  bytes.set(hardware, 0x20)
  numbers(0x4c0, 20 + variableData.length, 1, tee === 'tdx' ? 4 : 2, 1, variableData.length)
  bytes.set(variableData, 0x4d4)
  return bytes
}
