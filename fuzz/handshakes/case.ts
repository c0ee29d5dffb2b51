import { Random } from '../random.js'
import type { Target } from '../target.js'
import { edits } from './edits.js'

/** A handshake in which one side deviates, small enough to be written down. */
export interface HandshakeCase {
  /** One of `pairs`. */
  readonly pair: string
  readonly from: 'client' | 'server'
  readonly edits: readonly Edit[]
}

/** What becomes of a message, or a datagram. */
export interface Edit {
  /** Which one, counted from 0. */
  readonly at: number
  readonly change: string
  /** Of what is left to chance. */
  readonly seed: number
}

/** The bytes of a case. */
export function encodeCase(value: HandshakeCase): Uint8Array {
  return Uint8Array.from(Buffer.from(JSON.stringify(value)))
}

/** @returns undefined if the bytes are no case */
export function decodeCase(bytes: Uint8Array, pairs: readonly string[]): HandshakeCase | undefined {
  try {
    const value: HandshakeCase = JSON.parse(Buffer.from(bytes).toString())
    const isCase = pairs.includes(value.pair) && ['client', 'server'].includes(value.from) && Array.isArray(value.edits)
    return isCase ? value : undefined
  } catch {
    return undefined
  }
}

/** Another case: with an edit more, less, or another, or the same edits elsewhere. */
function mutateCase(
  bytes: Uint8Array,
  random: Random,
  pairs: readonly string[],
  changes: readonly string[] = Object.keys(edits),
): Uint8Array {
  const old = decodeCase(bytes, pairs)
  const one = (): Edit => ({ at: random.below(12), change: random.pick(changes), seed: random.seed() })
  if (!old || old.edits.length === 0 || random.chance(0.3)) {
    return encodeCase({ pair: random.pick(pairs), from: random.pick(['client', 'server']), edits: [one()] })
  }
  const at = random.below(old.edits.length)
  const edit = old.edits[at] ?? one()
  const change = random.pick<() => Partial<HandshakeCase>>([
    () => ({ edits: [...old.edits, one()].slice(-4) }),
    () => ({ edits: old.edits.with(at, { ...edit, seed: random.seed() }) }),
    () => ({ edits: old.edits.with(at, { ...edit, at: random.below(12) }) }),
    () => ({ edits: old.edits.with(at, { ...edit, change: random.pick(changes) }) }),
    () => ({ edits: old.edits.toSpliced(at, 1) }),
    () => ({ pair: random.pick(pairs) }),
    () => ({ from: old.from === 'client' ? ('server' as const) : ('client' as const) }),
  ])
  return encodeCase({ ...old, ...change() })
}

/** Cases with one edit less. */
function smallerCases(bytes: Uint8Array, pairs: readonly string[]): readonly Uint8Array[] {
  const value = decodeCase(bytes, pairs)
  return value ? value.edits.map((_, at) => encodeCase({ ...value, edits: value.edits.toSpliced(at, 1) })) : []
}

/** What an edit leaves to chance. */
export function randomOf({ seed }: Edit): Random {
  return new Random(seed)
}

/** The inputs of a target whose inputs are cases of these pairs. @param changes what edits may do, where it is not `edits` */
export function overCases(
  pairs: readonly string[],
  changes?: () => readonly string[],
): Pick<Target, 'form' | 'seeds' | 'mutate' | 'smaller'> {
  return {
    form: 'json',
    seeds: () =>
      pairs.flatMap(pair => (['client', 'server'] as const).map(from => encodeCase({ pair, from, edits: [] }))),
    mutate: (input, random) => mutateCase(input, random, pairs, changes?.()),
    smaller: input => smallerCases(input, pairs),
  }
}
