import type { Random } from '../random.js'
import { joined, mutateBinary } from './binary.js'

/** Changes to a tree of CBOR: items are dropped, doubled, swapped, replaced, counted right or wrong, said in longer words. */
export function mutateCbor(input: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const tree = parseAll(input)
  if (!tree) return mutateBinary(input, random, others)
  const lists = listsIn(tree)
  const list = random.pick(lists)
  if (list.length === 0) return mutateBinary(input, random, others)
  const at = random.below(list.length)
  const item = list[at] as Item
  const donors = parseAll(random.pick(others)) ?? tree
  const other = structuredClone(random.pick([...random.pick(listsIn(donors)), item]))
  const change = random.pick<() => void>([
    () => list.splice(at, 1),
    () => list.splice(at, 0, structuredClone(item)),
    () => list.splice(at, 2),
    // In a map that is a key with its value.
    () => list.splice(at, 0, ...structuredClone(list.slice(at, at + 2))),
    () => list.splice(at, 1, other),
    () => list.splice(random.below(list.length + 1), 0, other),
    () => list.reverse(),
    () => list.splice(at, 1, leaf(random.pick(ODDITIES))),
    () => list.splice(at, 1, { ...item, head: tagHead(random), children: [item], isCounted: false }),
    () => rewrite(item, random, others),
    () => rewrite(item, random, others),
    () => rewrite(item, random, others),
    () => {
      item.size = random.pick([1, 2, 4, 8])
    },
    () => {
      item.isIndefinite = true
    },
    () => {
      item.excess = random.pick([-1, 1, 2 ** 16, 2 ** 31])
    },
  ])
  change()
  return joined(...tree.map(write))
}

interface Item {
  /** Major type and, where that is no count, argument. */
  head: { readonly major: number; argument: bigint }
  /** Of strings. */
  content: Uint8Array | undefined
  /** Of arrays, maps (key after key after value), tags, and byte strings that hold CBOR. */
  children: Item[] | undefined
  /** Whether the argument counts what is inside. */
  isCounted: boolean
  /** What is written as it is. */
  raw?: Uint8Array
  size?: number
  isIndefinite?: boolean
  excess?: number
}

/** Items that are rare: undefined, NaN, infinity, large integers, simple values, a break, empty ones of all kinds. */
const ODDITIES = ['f7', 'f97e00', 'f97c00', '1bffffffffffffffff', '3bffffffffffffffff', 'f8ff', 'ff', '40', '60', '80']
  .concat(['a0', 'f6', 'f4', 'fb3ff0000000000000', 'c240', 'd9ffff00', '7f6161ff', '5f4161ff', '61ff', '1818'])
  .map(hex => Uint8Array.from(Buffer.from(hex, 'hex')))

function leaf(raw: Uint8Array): Item {
  return { head: { major: 7, argument: 0n }, content: undefined, children: undefined, isCounted: false, raw }
}

function tagHead(random: Random): Item['head'] {
  return { major: 6, argument: BigInt(random.pick([0, 2, 17, 18, 24, 61, 501, 506, 571, 55799, 2 ** 32])) }
}

function rewrite(item: Item, random: Random, others: readonly Uint8Array[]): void {
  if (item.content && !item.children) item.content = mutateBinary(item.content, random, others)
  else if (item.content) [item.content, item.children] = [mutateBinary(item.content, random, others), undefined]
  else if (!item.children)
    item.head.argument = random.pick([0n, 1n, item.head.argument + 1n, 2n ** 32n, 2n ** 63n, BigInt(random.below(256))])
  else item.raw = mutateBinary(write(item), random, others)
}

function listsIn(items: Item[]): Item[][] {
  return [items, ...items.flatMap(({ children }) => (children ? listsIn(children) : []))]
}

/** @returns undefined unless all of it is CBOR in definite lengths */
function parseAll(bytes: Uint8Array): Item[] | undefined {
  try {
    const cursor = { bytes, at: 0 }
    const items: Item[] = []
    while (cursor.at < bytes.length) items.push(parse(cursor, 0))
    return items
  } catch {
    return undefined
  }
}

interface Cursor {
  readonly bytes: Uint8Array
  at: number
}

function parse(cursor: Cursor, depth: number): Item {
  const first = take(cursor, 1)[0] ?? 0
  const major = first >> 5
  const info = first & 31
  if (depth > 24 || info > 27) throw new RangeError('not followed further')
  const size = info < 24 ? 0 : 2 ** (info - 24)
  const argument = size === 0 ? BigInt(info) : BigInt(`0x${Buffer.from(take(cursor, size)).toString('hex')}`)
  const head = { major, argument }
  // Floats, and what is written with more bytes than it takes, stay as they are.
  if (major === 7) return { ...leaf(cursor.bytes.slice(cursor.at - 1 - size, cursor.at)), head }
  const count = Number(argument)
  if (major === 2 || major === 3) {
    const content = Uint8Array.from(take(cursor, count))
    const children = major === 2 && content.length > 1 ? parseAll(content) : undefined
    return {
      head,
      content,
      children: children?.some(({ children }) => children) ? children : undefined,
      isCounted: true,
    }
  }
  const counts = [0, 0, 0, 0, count, 2 * count, 1]
  if (major < 4) return { head, content: undefined, children: undefined, isCounted: false }
  const children = Array.from({ length: checkedCount(counts[major] ?? 0, cursor) }, () => parse(cursor, depth + 1))
  return { head, content: undefined, children, isCounted: major !== 6 }
}

function checkedCount(count: number, { bytes, at }: Cursor): number {
  if (count > bytes.length - at) throw new RangeError('more than there is')
  return count
}

function take(cursor: Cursor, length: number): Uint8Array {
  if (cursor.at + length > cursor.bytes.length) throw new RangeError('the end')
  cursor.at += length
  return cursor.bytes.subarray(cursor.at - length, cursor.at)
}

function write(item: Item): Uint8Array {
  const { head, children, isCounted, raw, size, isIndefinite, excess = 0 } = item
  if (raw) return raw
  const inside = children?.map(write) ?? []
  const content = children ? joined(...inside) : (item.content ?? new Uint8Array(0))
  const count = head.major === 4 ? inside.length : head.major === 5 ? Math.floor(inside.length / 2) : content.length
  if (isIndefinite && head.major >= 2 && head.major <= 5) {
    const chunk = head.major < 4 ? joined(headBytes(head.major, BigInt(content.length)), content) : content
    return joined(Uint8Array.of((head.major << 5) | 31), chunk, Uint8Array.of(0xff))
  }
  const argument = isCounted ? BigInt(Math.max(0, count + excess)) : head.argument
  return joined(headBytes(head.major, argument, size), content)
}

function headBytes(major: number, argument: bigint, size = sizeOf(argument)): Uint8Array {
  if (size === 0) return Uint8Array.of((major << 5) | Number(argument))
  const info = { 1: 24, 2: 25, 4: 26, 8: 27 }[size] ?? 24
  const digits = Array.from({ length: size }, (_, i) => Number((argument >> BigInt(8 * (size - 1 - i))) & 0xffn))
  return Uint8Array.of((major << 5) | info, ...digits)
}

function sizeOf(argument: bigint): number {
  return argument < 24n ? 0 : argument < 0x100n ? 1 : argument < 0x1_0000n ? 2 : argument < 0x1_0000_0000n ? 4 : 8
}
