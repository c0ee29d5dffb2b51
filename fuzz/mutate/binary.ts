import type { Random } from '../random.js'

/** Changes that fit bytes of any form. Lengths are found by looking: what can be one is taken for one. */
export function mutateBinary(input: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const change = random.pick(CHANGES)
  return change(input, random, others)
}

type Change = (input: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array

const CHANGES: readonly Change[] = [
  flipBit,
  flipBit,
  setByte,
  setNumber,
  cut,
  extend,
  remove,
  duplicate,
  insert,
  splice,
  editLength,
  editLength,
  resize,
  resize,
  resize,
  swapFields,
]

function flipBit(input: Uint8Array, random: Random): Uint8Array {
  return altered(input, bytes => {
    const at = random.below(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
  })
}

function setByte(input: Uint8Array, random: Random): Uint8Array {
  return altered(input, bytes => {
    bytes[random.below(bytes.length)] = random.chance(0.5) ? random.pick([0, 1, 0x7f, 0x80, 0xff]) : random.below(256)
  })
}

/** A number at the edge of what its size can say. */
function setNumber(input: Uint8Array, random: Random): Uint8Array {
  return altered(input, bytes => {
    const size = random.pick([2, 3, 4, 8])
    const at = random.below(bytes.length)
    const value = random.pick([0x00, 0xff, 0x7f, 0x80])
    for (let i = at; i < Math.min(bytes.length, at + size); i++) bytes[i] = i === at ? value : random.pick([0x00, 0xff])
  })
}

function cut(input: Uint8Array, random: Random): Uint8Array {
  return input.slice(0, random.below(input.length + 1))
}

function extend(input: Uint8Array, random: Random): Uint8Array {
  return joined(input, random.bytes(1 + random.below(8)))
}

function remove(input: Uint8Array, random: Random): Uint8Array {
  const [from, to] = range(input, random)
  return joined(input.subarray(0, from), input.subarray(to))
}

function duplicate(input: Uint8Array, random: Random): Uint8Array {
  const [from, to] = range(input, random)
  return joined(input.subarray(0, to), input.subarray(from))
}

function insert(input: Uint8Array, random: Random): Uint8Array {
  const at = random.below(input.length + 1)
  return joined(input.subarray(0, at), random.bytes(1 + random.below(16)), input.subarray(at))
}

/** The beginning of one and the end of another. */
function splice(input: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const other = random.pick(others)
  return joined(input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length + 1)))
}

/** A length that says more or less than there is. */
function editLength(input: Uint8Array, random: Random): Uint8Array {
  const field = pickField(input, random)
  if (!field) return flipBit(input, random)
  return altered(input, bytes => {
    const value = random.pick([0, 1, field.value - 1, field.value + 1, 2 ** (8 * field.size) - 1, random.below(256)])
    writeNumber(bytes, field, Math.max(0, value))
  })
}

/** More or less in the middle, and all lengths around it are right again. */
function resize(input: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const field = pickField(input, random)
  if (!field) return remove(input, random)
  const start = field.at + field.size
  const content = input.subarray(start, start + field.value)
  const other = random.pick(others)
  const donor = pickField(other, random)
  const inner = random.pick<() => Uint8Array>([
    () => new Uint8Array(0),
    () => content.subarray(0, random.below(content.length + 1)),
    () => content.subarray(random.below(content.length + 1)),
    () => joined(content, content),
    () => joined(content, random.bytes(1 + random.below(8))),
    () => random.bytes(content.length),
    () => (donor ? other.subarray(donor.at + donor.size, donor.at + donor.size + donor.value) : content),
  ])()
  return replaced(input, field, inner, random.chance(0.8))
}

/** Two neighbours that have lengths change places. */
function swapFields(input: Uint8Array, random: Random): Uint8Array {
  const first = pickField(input, random)
  if (!first) return flipBit(input, random)
  const middle = first.at + first.size + first.value
  const second = fieldsOf(input).find(({ at }) => at === middle || at === middle + 2)
  if (!second) return duplicate(input, random)
  const end = second.at + second.size + second.value
  return joined(
    input.subarray(0, first.at),
    input.subarray(middle, end),
    input.subarray(first.at, middle),
    input.subarray(end),
  )
}

/** A number that says how many bytes follow it. */
interface Field {
  readonly at: number
  readonly size: number
  readonly value: number
  readonly isLittleEndian: boolean
}

function pickField(input: Uint8Array, random: Random): Field | undefined {
  const fields = fieldsOf(input)
  return fields.length > 0 ? random.pick(fields) : undefined
}

/** What may be a length. */
function fieldsOf(input: Uint8Array): readonly Field[] {
  const fields: Field[] = []
  const end = Math.min(input.length, MAX_SEARCHED)
  for (let at = 0; at < end; at++) {
    for (const size of [1, 2, 3, 4]) {
      for (const isLittleEndian of size === 1 ? [false] : [false, true]) {
        const value = readNumber(input, at, size, isLittleEndian)
        // In a number of more bytes the first says something, or the field reaches to the end of what it is in.
        if (value > 0 && at + size + value <= input.length) fields.push({ at, size, value, isLittleEndian })
      }
    }
  }
  return fields
}

const MAX_SEARCHED = 4096

function readNumber(input: Uint8Array, at: number, size: number, isLittleEndian: boolean): number {
  let value = 0
  for (let i = 0; i < size; i++) value = value * 256 + (input[isLittleEndian ? at + size - 1 - i : at + i] ?? 0)
  return value
}

function writeNumber(output: Uint8Array, { at, size, isLittleEndian }: Field, value: number): void {
  for (let i = 0, rest = value; i < size; i++, rest = Math.floor(rest / 256)) {
    output[isLittleEndian ? at + i : at + size - 1 - i] = rest % 256
  }
}

/** Another content for a field. @param isConsistent whether the lengths of what it stands in are made to fit */
function replaced(input: Uint8Array, field: Field, content: Uint8Array, isConsistent: boolean): Uint8Array {
  const start = field.at + field.size
  const end = start + field.value
  const output = joined(input.subarray(0, start), content, input.subarray(end))
  const difference = content.length - field.value
  writeNumber(output, field, content.length)
  if (!isConsistent) return output
  for (const around of fieldsOf(input)) {
    const isAround = around.at + around.size <= field.at && around.at + around.size + around.value >= end
    // Big-endian lengths of two or three bytes are what messages are made of; of one byte, only where they end together.
    const isLikely = around.size === 1 ? around.at + 1 + around.value === end : around.size <= 4
    if (isAround && isLikely && !overlaps(around, field)) writeNumber(output, around, around.value + difference)
  }
  return output
}

function overlaps(a: Field, b: Field): boolean {
  return a.at < b.at + b.size && b.at < a.at + a.size
}

function range(input: Uint8Array, random: Random): readonly [number, number] {
  const from = random.below(input.length + 1)
  return [from, Math.min(input.length, from + 1 + random.below(random.chance(0.8) ? 16 : input.length))]
}

function altered(input: Uint8Array, alter: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = Uint8Array.from(input)
  if (bytes.length > 0) alter(bytes)
  return bytes
}

/** @returns all of them, one after the other */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}
