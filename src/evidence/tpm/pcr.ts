import { concat, equalBytes, hex, type Reader } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import type { RegisterHash } from '../event-log/log.js'
import { tpmHashes, tpmHashLength } from './algorithm.js'
import { malformed } from './structure.js'

/** The PCRs of one bank that a quote is about. */
export interface PcrSelection {
  readonly bank: RegisterHash
  /** Ascending. */
  readonly registers: readonly number[]
}

/** Values of PCRs, by bank and register. */
export type PcrBanks = ReadonlyMap<RegisterHash, ReadonlyMap<number, Uint8Array>>

/** TPML_PCR_SELECTION. @throws MessageError */
export function readSelections(reader: Reader): readonly PcrSelection[] {
  const count = reader.uint32()
  if (count > MOST_BANKS) throw malformed(`a quote is of ${count} banks, where ${MOST_BANKS} are the most`)
  const selections: PcrSelection[] = []
  for (let i = 0; i < count; i++) {
    const bank = tpmHashes.get(reader.uint16())
    if (!bank) throw malformed('a quote is of a bank that is not known here')
    if (selections.some(selection => selection.bank === bank)) throw malformed(`a quote names the bank ${bank} twice`)
    const map = reader.bytes(reader.uint8())
    if (map.length > MOST_REGISTERS / 8) throw malformed(`a quote has room for ${map.length * 8} registers`)
    const registers = [...map].flatMap((byte, at) => BITS.filter(bit => (byte >> bit) & 1).map(bit => at * 8 + bit))
    selections.push({ bank, registers })
  }
  return selections
}

const BITS = [0, 1, 2, 3, 4, 5, 6, 7]
const MOST_BANKS = 16
const MOST_REGISTERS = 32

/** TPML_PCR_SELECTION of these, with three octets of bits each. */
export function encodeSelections(selections: readonly PcrSelection[]): Uint8Array {
  const parts = selections.map(({ bank, registers }) => {
    const [algorithm = 0] = [...tpmHashes].find(([, name]) => name === bank) ?? []
    const map = new Uint8Array(3)
    for (const register of registers) {
      if (register < 0 || register > 23) throw new RangeError(`there is no PCR ${register}`)
      const at = register >> 3
      map[at] = (map[at] ?? 0) | (1 << (register & 7))
    }
    return concat(Uint8Array.of(algorithm >> 8, algorithm & 0xff, 3), map)
  })
  return concat(Uint8Array.of(0, 0, 0, selections.length), ...parts)
}

/** What a quote's pcrDigest has to be for these values: the hash over them in the order of the selection. The hash is
 *  that of the signature, not of the bank.
 *  @returns undefined if the value of a selected register is not there */
export function pcrDigestOf(
  selections: readonly PcrSelection[],
  values: PcrBanks,
  name: RegisterHash,
): Uint8Array | undefined {
  const parts: Uint8Array[] = []
  for (const { bank, registers } of selections) {
    for (const register of registers) {
      const value = values.get(bank)?.get(register)
      if (!value) return undefined
      parts.push(value)
    }
  }
  return hash(name, ...parts)
}

/** A selection as tpm2-tools write it, and policies: `sha256:0,7` or `sha1:0+sha256:0,7`. */
export function describeSelections(selections: readonly PcrSelection[]): string {
  return selections.map(({ bank, registers }) => `${bank}:${registers.join()}`).join('+')
}

/** How many registers the name of a measurement stands for; undefined if it is the name of none. */
export function registersIn(name: string): number | undefined {
  let count = 0
  for (const part of name.split('+')) {
    const match = /^(?:sha1|sha256|sha384|sha512):(\d+(?:,\d+)*)$/.exec(part)
    if (!match) return undefined
    const registers = (match[1] ?? '').split(',').map(Number)
    if (registers.some((register, i) => register >= MOST_REGISTERS || register <= (registers[i - 1] ?? -1))) {
      return undefined
    }
    count += registers.length
  }
  return count
}

/** The first register whose value is not what a log comes to; undefined if all that the log extends are.
 *  @param computed by replaying the log of that bank */
export function findUnexplainedPcr(
  computed: ReadonlyMap<number, Uint8Array>,
  values: ReadonlyMap<number, Uint8Array>,
): number | undefined {
  for (const [register, value] of computed) {
    const held = values.get(register)
    // A register that the quote is not about is not vouched for, and explained by nothing.
    if (held && !equalBytes(held, value)) return register
  }
  return undefined
}

/** Values of PCRs as measurements, by the names that policies know them by: `sha256:7`. */
export function measurementsOfPcrs(selections: readonly PcrSelection[], values: PcrBanks): readonly [string, string][] {
  return selections.flatMap(({ bank, registers }) =>
    registers.flatMap((register): [string, string][] => {
      const value = values.get(bank)?.get(register)
      return value ? [[`${bank}:${register}`, hex(value)]] : []
    }),
  )
}

/** Whether a value has the size of its bank. */
export function isPcrValue(bank: RegisterHash, value: Uint8Array): boolean {
  return value.length === tpmHashLength[bank]
}
