import type { Random } from '../random.js'
import { joined, mutateBinary } from './binary.js'

/** Changes to a tree of DER: values are dropped, doubled, swapped, replaced, and all lengths are right again. */
export function mutateDer(input: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const tree = parse(input)
  const donors = parse(random.pick(others))
  if (!tree) return mutateBinary(input, random, others)
  const lists = listsIn(tree)
  const list = random.pick(lists)
  if (list.length === 0) return mutateBinary(input, random, others)
  const at = random.below(list.length)
  const node = list[at] as Node
  const other = structuredClone(random.pick(random.pick(listsIn(donors ?? tree)).concat(node)))
  const change = random.pick<() => void>([
    () => list.splice(at, 1),
    () => list.splice(at, 0, structuredClone(node)),
    () => list.splice(random.below(list.length + 1), 0, other),
    () => list.splice(at, 1, other),
    () => list.reverse(),
    () => retag(node, random.pick([node.tag ^ 0x20, node.tag ^ 0x80, random.below(256), 0x05, 0x30, 0x31, 0x04])),
    () => rewrite(node, random, others),
    () => rewrite(node, random, others),
    () => rewrite(node, random, others),
    // DER has one way to write a length: these are the others.
    () => {
      node.lengthBytes = random.pick([1, 2, 3, 4, 5, 9])
    },
    () => {
      node.isIndefinite = true
    },
  ])
  change()
  return joined(...tree.map(write))
}

interface Node {
  tag: number
  content: Uint8Array
  /** The values inside, where it is constructed, or where a string holds DER. */
  children: Node[] | undefined
  /** A byte before the children: the count of unused bits. */
  prefix: Uint8Array
  /** Bytes that the length takes, if not as few as can be. */
  lengthBytes?: number
  isIndefinite?: boolean
}

function retag(node: Node, tag: number): void {
  node.tag = tag
}

function rewrite(node: Node, random: Random, others: readonly Uint8Array[]): void {
  node.content = mutateBinary(node.content, random, others)
  node.children = undefined
}

/** All lists of siblings, the outermost first. */
function listsIn(nodes: Node[]): Node[][] {
  return [nodes, ...nodes.flatMap(({ children }) => (children ? listsIn(children) : []))]
}

/** @returns undefined unless all of it is DER */
function parse(bytes: Uint8Array, depth = 0): Node[] | undefined {
  const nodes: Node[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0
    const first = bytes[at + 1]
    if (first === undefined || (tag & 0x1f) === 0x1f || depth > 24) return undefined
    let length = first
    let start = at + 2
    if (first >= 0x80) {
      const size = first & 0x7f
      if (size === 0 || size > 3) return undefined
      length = bytes.subarray(start, start + size).reduce((sum, byte) => sum * 256 + byte, 0)
      start += size
    }
    if (start + length > bytes.length) return undefined
    nodes.push(nodeOf(tag, bytes.slice(start, start + length), depth))
    at = start + length
  }
  return nodes
}

function nodeOf(tag: number, content: Uint8Array, depth: number): Node {
  const isBits = tag === 0x03 && content[0] === 0
  const inner = isBits ? content.subarray(1) : content
  const mayHold = (tag & 0x20) !== 0 || ((tag === 0x04 || isBits) && (inner[0] === 0x30 || inner[0] === 0x03))
  const children = mayHold && inner.length > 0 ? parse(inner, depth + 1) : undefined
  return { tag, content, children, prefix: isBits ? content.slice(0, 1) : new Uint8Array(0) }
}

function write(node: Node): Uint8Array {
  const content = node.children ? joined(node.prefix, ...node.children.map(write)) : node.content
  if (node.isIndefinite) return joined(Uint8Array.of(node.tag, 0x80), content, Uint8Array.of(0, 0))
  return joined(Uint8Array.of(node.tag), lengthOf(content.length, node.lengthBytes), content)
}

function lengthOf(
  length: number,
  bytes = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3,
): Uint8Array {
  if (bytes === 0) return Uint8Array.of(length)
  const digits = Uint8Array.from({ length: bytes }, (_, i) => Math.floor(length / 256 ** (bytes - 1 - i)) % 256)
  return joined(Uint8Array.of(0x80 | bytes), digits)
}
