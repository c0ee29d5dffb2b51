import type { Random } from './random.js'

/** What its bytes are, and so how they are changed with sense. */
export type Form = 'binary' | 'der' | 'cbor' | 'json' | 'text'

/** Something that takes bytes from strangers. */
export interface Target {
  readonly name: string
  readonly form: Form
  /** How much of the time it has, compared with others: 1 unless said. */
  readonly weight?: number
  /** Good inputs, made by this package itself: one at least says that it is taken, accepted or open. */
  seeds(): Promise<readonly Uint8Array[]> | readonly Uint8Array[]
  /** Takes an input.
   *  @returns in a few words what came of it: an input that says something new is worth keeping
   *  @throws anything, if something is wrong with us */
  run(input: Uint8Array): Promise<string> | string
  /** How inputs are changed, where their form does not say. */
  mutate?(input: Uint8Array, random: Random): Uint8Array
  /** Inputs that are smaller, where leaving out bytes makes none. */
  smaller?(input: Uint8Array): readonly Uint8Array[]
}

/** A promise of ours that does not hold. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** An error in a few words, without what is different each time. */
export function gist(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: 'not an error', message: String(error) }
  return `${name}: ${message.replace(/0x[0-9a-f]+|[0-9a-f]{6,}|\d+/gi, '#').slice(0, 120)}`
}

/** What is told to people, and stands in logs: neither without end nor able to write over what is there. */
export function checkSentence(error: unknown): void {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++) {
    if (cause.message.length > MAX_SENTENCE) throw new Violation(`an error says ${cause.message.length} characters`)
    if (CONTROL.test(cause.message)) throw new Violation(`${cause.name} holds control characters`, { cause })
  }
}

const MAX_SENTENCE = 2000
/** Control characters but for the end of a line, and marks of direction. */
const CONTROL = /(?!\n)[\p{Cc}\p{Cf}]/u
