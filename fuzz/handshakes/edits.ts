import { HandshakeType, type Message } from '#src/handshake/index.js'
import type { RawExtension } from '#src/handshake/messages.js'
import { extensionsOf, placeOf, withExtensions } from '../../test/support/extensions.js'
import { rawMessage } from '../../test/support/hostile.js'
import type { Raw, Sealer } from '../../test/support/interceptor.js'
import { joined, mutateBinary } from '../mutate/binary.js'
import { mutateCbor } from '../mutate/cbor.js'
import type { Random } from '../random.js'

/** What stands in for a message, each in a record of its own. */
export type Instead = readonly (Uint8Array | Raw)[]

/** What an edit has to work with. */
export interface EditContext {
  readonly random: Random
  /** Messages of this and other handshakes. */
  readonly donors: readonly Message[]
  /** Makes a record of any content; undefined where there are no records to be made. */
  readonly seal: Sealer | undefined
}

/** A way to change a message, by name, so that a case can be written down. */
export const edits: Readonly<Record<string, (message: Message, context: EditContext) => Instead>> = {
  /** The body changes; the header says how long it is. */
  body: ({ type, body }, { random, donors }) => [
    rawMessage(
      type,
      mutateBinary(
        body,
        random,
        donors
          .filter(it => it.type === type)
          .map(it => it.body)
          .concat(body),
      ),
    ),
  ],
  /** The header says another length. */
  length: ({ type, body }, { random }) => [
    rawMessage(type, body, Math.max(0, random.pick([body.length - 1, body.length + 1, 0, 2 ** 24 - 1, 2 ** 17]))),
  ],
  type: ({ body }, { random }) => [rawMessage(random.pick([...Object.values(HandshakeType), random.below(256)]), body)],
  drop: () => [],
  twice: ({ raw }) => [raw, raw],
  before: ({ raw }, { random, donors }) => [random.pick(donors).raw, raw],
  after: ({ raw }, { random, donors }) => [raw, random.pick(donors).raw],
  instead: (_, { random, donors }) => [random.pick(donors).raw],
  /** The same message of another run. */
  foreign: ({ type, raw }, { random, donors }) => {
    const same = donors.filter(it => it.type === type)
    return [same.length > 0 ? random.pick(same).raw : raw]
  },
  cut: ({ raw }, { random }) => [raw.subarray(0, random.below(raw.length))],
  /** In pieces, as is allowed, with or without something between them, as is not. */
  pieces({ raw }, { random, seal }) {
    const at = 1 + random.below(raw.length - 1)
    const between = random.chance(0.5) && seal ? [seal(...random.pick(RECORDS))] : []
    return [raw.subarray(0, at), ...between, raw.subarray(at)]
  },
  /** A record of another kind before it, which the keys of the moment protect. */
  record({ raw }, { random, seal }) {
    return seal ? [seal(...random.pick(RECORDS)), raw] : [raw]
  },
  /** The same with another type outside, or a flood of it. */
  records({ raw }, { random, seal }) {
    const record = random.pick(RECORDS)
    return seal ? [...Array.from({ length: 1 + random.below(40) }, () => seal(...record)), raw] : [raw]
  },
  /** Bytes that no key protects. */
  plain({ raw }, { random }) {
    return [
      { raw: random.pick([random.bytes(20), Uint8Array.of(21, 3, 3, 0, 2, 2, 40), joined(PLAIN_HEADER, raw)]) },
      raw,
    ]
  },
  /** A warning that says nothing, a key_update, one that asks for an answer. */
  keyUpdate: ({ raw }, { random }) => [rawMessage(HandshakeType.key_update, Uint8Array.of(random.below(3))), raw],
  extensionDropped: (message, context) => changed(message, context, (list, at) => list.toSpliced(at, 1)),
  extensionTwice: (message, context) => changed(message, context, (list, at, one) => list.toSpliced(at, 0, one)),
  extensionMoved: (message, context) =>
    changed(message, context, (list, at, one) =>
      list.toSpliced(at, 1).toSpliced(context.random.below(list.length), 0, one),
    ),
  extensionsReversed: (message, context) => changed(message, context, list => list.toReversed()),
  extensionData: (message, context) =>
    changed(message, context, (list, at, one) =>
      list.with(at, { ...one, data: mutateBinary(one.data, context.random, [one.data]) }),
    ),
  /** What stands in it is CBOR, such as Evidence, and is changed as a tree. */
  extensionTree: (message, context) =>
    changed(message, context, (list, at, one) =>
      list.with(at, { ...one, data: mutateCbor(one.data, context.random, [one.data]) }),
    ),
  extensionEmpty: (message, context) =>
    changed(message, context, (list, at, one) => list.with(at, { ...one, data: new Uint8Array(0) })),
  extensionType: (message, context) =>
    changed(message, context, (list, at, one) =>
      list.with(at, { ...one, type: context.random.pick([0, 10, 13, 16, 41, 42, 43, 44, 51, 0xff01, 0x0a0a]) }),
    ),
  extensionAdded: (message, context) => {
    const { random, donors } = context
    const donor = random.pick(donors.filter(it => placeOf(it) !== undefined))
    const extra = extensionsOf(donor)
    return changed(message, context, (list, at) =>
      extra.length > 0 ? list.toSpliced(at, 0, random.pick(extra)) : list,
    )
  },
}

/** Inner plaintexts (RFC 8446 §5.2), and the type that stands outside. */
const RECORDS: readonly (readonly [Uint8Array, number?])[] = [
  [Uint8Array.of(23)],
  [Uint8Array.of(104, 105, 23)],
  [Uint8Array.of(22)],
  [Uint8Array.of(0, 0, 0)],
  [new Uint8Array(0)],
  [Uint8Array.of(2, 40, 21)],
  [Uint8Array.of(1, 0, 21)],
  [Uint8Array.of(1, 90, 21)],
  [Uint8Array.of(2, 21)],
  [Uint8Array.of(1, 20)],
  [Uint8Array.of(1, 99)],
  [Uint8Array.of(1, 23), 22],
  [new Uint8Array(2 ** 14 + 1).fill(23)],
  [new Uint8Array(2 ** 14 + 2).fill(23)],
]
const PLAIN_HEADER = Uint8Array.of(22, 3, 3, 0, 40)

function changed(
  message: Message,
  { random }: EditContext,
  change: (list: readonly RawExtension[], at: number, one: RawExtension) => readonly RawExtension[],
): Instead {
  if (placeOf(message) === undefined) return [message.raw]
  try {
    return [
      withExtensions(message, list => {
        const at = random.below(list.length)
        const one = list[at]
        return one ? change(list, at, one) : list
      }),
    ]
  } catch {
    // What the codec does not write, such as an empty list: its bytes are for `body` to change.
    return [message.raw]
  }
}
