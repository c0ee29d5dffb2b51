import type { ProductLine } from './product-line.js'

/** TCB_VERSION: the security patch levels of the parts of a platform's Trusted Computing Base (AMD SEV-SNP firmware
 *  ABI, AMD 56860 §2.2). They are compared one by one, never as a number of 64 bits. */
export interface TcbVersion {
  /** Firmware of the security processor's first boot stage; on Turin and later only. */
  readonly fmc: number | undefined
  readonly bootloader: number
  readonly tee: number
  readonly snp: number
  readonly microcode: number
  /** As it stands in the report: 8 bytes. */
  readonly raw: Uint8Array
}

/** Reads a TCB_VERSION, whose layout depends on the processor.
 *  @param raw 8 bytes   @returns null if a byte that has to be zero is not */
export function tcbVersion(raw: Uint8Array, line: ProductLine): TcbVersion | null {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0, b7 = 0] = raw
  if (line === 'turin') {
    if (b4 !== 0 || b5 !== 0 || b6 !== 0) return null
    return { fmc: b0, bootloader: b1, tee: b2, snp: b3, microcode: b7, raw }
  }
  if (b2 !== 0 || b3 !== 0 || b4 !== 0 || b5 !== 0) return null
  return { fmc: undefined, bootloader: b0, tee: b1, snp: b6, microcode: b7, raw }
}

/** The parts of a TCB with their names, in the order of the report. */
export function partsOf(tcb: TcbVersion): readonly (readonly [name: TcbPart, level: number])[] {
  const { fmc, bootloader, tee, snp, microcode } = tcb
  const parts: [TcbPart, number][] = [
    ['bootloader', bootloader],
    ['tee', tee],
    ['snp', snp],
    ['microcode', microcode],
  ]
  return fmc === undefined ? parts : [['fmc', fmc], ...parts]
}

/** A part of the TCB that has a security patch level of its own. */
export type TcbPart = (typeof tcbParts)[number]

/** All parts, of all product lines. */
export const tcbParts = ['fmc', 'bootloader', 'tee', 'snp', 'microcode'] as const
