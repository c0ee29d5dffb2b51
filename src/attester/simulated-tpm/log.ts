import { concat, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { tpmHashLength } from '../../evidence/index.js'

/** The log of what a TPM's registers were extended with, as firmware keeps it (TCG PC Client Platform Firmware Profile,
 *  10): integers little-endian, the first event tells which hashes there are.
 *  @param events what each register was extended with the hash of, in order */
export function encodeTcgLog(events: readonly { readonly register: number; readonly data: Uint8Array }[]): Uint8Array {
  const algorithms = BANKS.map(([algorithm, bank]) => concat(uint16(algorithm), uint16(tpmHashLength[bank])))
  const spec = concat(
    utf8('Spec ID Event03\0'),
    uint32(0), // platformClass
    Uint8Array.of(0, 2, 0, 2), // version 2.0, errata 0, 64-bit UINTN
    uint32(BANKS.length),
    ...algorithms,
    Uint8Array.of(0), // vendorInfoSize
  )
  const first = concat(uint32(0), uint32(EV_NO_ACTION), new Uint8Array(20), uint32(spec.length), spec)
  const others = events.map(({ register, data }) =>
    concat(
      uint32(register),
      uint32(EV_ACTION),
      uint32(BANKS.length),
      ...BANKS.flatMap(([algorithm, bank]) => [uint16(algorithm), hash(bank, data)]),
      uint32(data.length),
      data,
    ),
  )
  return concat(first, ...others)
}

const EV_NO_ACTION = 3
const EV_ACTION = 5
const BANKS = [
  [0x0004, 'sha1'],
  [0x000b, 'sha256'],
  [0x000c, 'sha384'],
] as const

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8)
}

function uint32(value: number): Uint8Array {
  return concat(uint16(value & 0xffff), uint16(value >>> 16))
}
