import { MisuseError } from '../handshake/index.js'

/*
 * What options may be, whatever they are for.
 */

/** Several of some words, each once. @throws MisuseError */
export function choices<T extends string>(
  given: readonly T[] | undefined,
  defaults: readonly T[],
  name: string,
  allowed: readonly T[] = defaults,
): readonly T[] {
  if (!given) return defaults
  for (const choice of given) oneOf(choice, allowed, name)
  if (given.length === 0) throw misuse(`${name} is empty`)
  if (new Set(given).size < given.length) throw misuse(`${name} names something twice`)
  return [...given]
}

/** One of some words. @throws MisuseError */
export function oneOf<T extends string>(value: T, allowed: readonly T[], name: string): T {
  if (!allowed.includes(value))
    throw misuse(`${name} is ${JSON.stringify(value)}, which is none of ${allowed.join(', ')}`)
  return value
}

/** A whole number. @throws MisuseError */
export function count(value: number | undefined, fallback: number, min: number, name: string): number {
  if (value === undefined) return fallback
  if (!Number.isSafeInteger(value) || value < min) throw misuse(`${name} has to be a whole number, ${min} or more`)
  return value
}

/** A time, in ms. @throws MisuseError */
export function milliseconds(value: number | undefined, name: string, byDefault = DEFAULT_TIMEOUT): number {
  if (value === undefined) return byDefault
  if (!Number.isFinite(value) || value <= 0) throw misuse(`${name} has to be a positive number of milliseconds`)
  return value
}
/** ms */
export const DEFAULT_TIMEOUT = 10_000

/** What is thrown for an option that cannot be. */
export function misuse(sentence: string): MisuseError {
  return new MisuseError(sentence, 'ERR_ATTESTATION_CONFIG')
}
