import { MessageError } from '../../rats/index.js'
import { type LittleEndian, littleEndian } from '../little-endian.js'

/*
 * What a GPU or NVSwitch answers to a request for its measurements (DMTF DSP0274, SPDM 1.1.0): the request, 37 bytes,
 * and behind it the response. Integers are little-endian.
 *
 *   0   version 0x11, GET_MEASUREMENTS 0xe0, param1, param2     41  number of blocks, length of the record in 3 bytes
 *   4   nonce, 32 bytes                                         45  record: blocks of index, kind, length, value
 *   36  slot                                                     .  nonce of the responder, 32 bytes
 *   37  version 0x11, MEASUREMENTS 0x60, param1, param2          .  length in 2 bytes, opaque data
 *                                                                .  signature over all of the above, 96 bytes
 */

/** A report of a GPU or NVSwitch. Byte strings are views. */
export interface NvidiaReport {
  /** `1.1`. */
  readonly version: string
  /** 32 bytes of whoever asked. */
  readonly nonce: Uint8Array
  /** By index, 1 to 255: values as the device has them, mostly SHA-384. */
  readonly measurements: ReadonlyMap<number, Uint8Array>
  /** What NVIDIA's firmware says besides, by the numbers of its own. */
  readonly fields: ReadonlyMap<number, Uint8Array>
  /** All but the signature. */
  readonly signed: Uint8Array
  /** r‖s, 48 bytes each, big-endian. */
  readonly signature: Uint8Array
  /** What follows. */
  readonly rest: Uint8Array
}

/** Numbers of the fields in the opaque data, as NVIDIA's attestation SDK has them. */
export const NvidiaField = { driverVersion: 3, vbiosVersion: 6, firmwareId: 20 } as const

/** Reads a report, and leaves what follows. @throws MessageError */
export function decodeNvidiaReport(bytes: Uint8Array): NvidiaReport {
  const reader = littleEndian(bytes, 'the GPU report')
  expectHeader(reader, GET_MEASUREMENTS)
  const nonce = reader.bytes(32)
  reader.skip(1) // slot
  expectHeader(reader, MEASUREMENTS)
  const [count = 0] = reader.bytes(1)
  const [low = 0, middle = 0, high = 0] = reader.bytes(3)
  const record = reader.bytes(low | (middle << 8) | (high << 16))
  reader.skip(32) // nonce of the responder
  const opaque = reader.bytes(reader.uint16())
  const signed = bytes.subarray(0, reader.offset)
  const signature = reader.bytes(96)
  return {
    version: '1.1',
    nonce,
    measurements: measurementsIn(record, count),
    fields: fieldsIn(opaque),
    signed,
    signature,
    rest: bytes.subarray(reader.offset),
  }
}

const GET_MEASUREMENTS = 0xe0
const MEASUREMENTS = 0x60
const VERSION = 0x11
/** The kind of measurement that DMTF defines. */
const DMTF = 1

function expectHeader(reader: LittleEndian, code: number): void {
  const [version, found] = reader.bytes(4)
  if (version !== VERSION) throw malformed('the GPU report is of another version of SPDM than 1.1')
  if (found !== code) throw malformed('the GPU report is not about measurements')
}

function measurementsIn(record: Uint8Array, count: number): ReadonlyMap<number, Uint8Array> {
  const reader = littleEndian(record, 'the measurement record')
  const found = new Map<number, Uint8Array>()
  for (let i = 0; i < count; i++) {
    const [index = 0, specification = 0] = reader.bytes(2)
    const block = littleEndian(reader.bytes(reader.uint16()), 'a measurement')
    if (specification !== DMTF) throw malformed('a measurement of the GPU is not in the form of DMTF')
    block.skip(1) // what is measured, and whether the value is a digest
    const value = block.bytes(block.uint16())
    block.end()
    if (found.has(index)) throw malformed('two measurements of the GPU have one index')
    found.set(index, value)
  }
  reader.end()
  return found
}

/** A number, a length, and a value, each number once. */
function fieldsIn(opaque: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const reader = littleEndian(opaque, 'the opaque data')
  const found = new Map<number, Uint8Array>()
  while (reader.remaining > 0) {
    const number = reader.uint16()
    const value = reader.bytes(reader.uint16())
    if (found.has(number)) throw malformed('two fields of the opaque data have one number')
    found.set(number, value)
  }
  return found
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
