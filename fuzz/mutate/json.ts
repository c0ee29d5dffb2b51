import type { Random } from '../random.js'
import { mutateBinary } from './binary.js'

/** Changes to JSON: members are dropped, doubled, renamed, replaced, and it is JSON again, but for its spelling. */
export function mutateJson(input: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const value = parsed(input)
  if (typeof value !== 'object' || value === null || random.chance(0.15)) return mutateBinary(input, random, others)
  const holders = holdersIn(value)
  const holder = random.pick(holders)
  const names = Object.keys(holder)
  if (names.length === 0) return mutateBinary(input, random, others)
  const name = random.pick(names)
  const donors = holdersIn(parsed(random.pick(others)) ?? value)
  const donor = structuredClone(random.pick(donors))
  const change = random.pick<() => void>([
    () => delete holder[name],
    () => Object.assign(holder, { [random.pick(['', '__proto__x', `${name} `, name.toUpperCase()])]: holder[name] }),
    () => Object.assign(holder, { [name]: structuredClone(random.pick(ODDITIES)) }),
    () => Object.assign(holder, { [name]: [structuredClone(holder[name])] }),
    () => Object.assign(holder, { [name]: donor[random.pick([...Object.keys(donor), name])] }),
    () => Object.assign(holder, donor),
    () => Object.assign(holder, { [name]: textFrom(holder[name], random) }),
    () => Object.assign(holder, { [name]: textFrom(holder[name], random) }),
  ])
  change()
  const text = JSON.stringify(value) ?? 'null'
  return Uint8Array.from(Buffer.from(random.chance(0.2) ? respelled(text, random) : text))
}

const ODDITIES = [null, true, 0, -1, 1.5, 1e300, 2 ** 53, '', '\u0000', '\ud800', [], {}, [[]], '9'.repeat(400), 'null']

type Holder = Record<string, unknown>

function parsed(input: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(input).toString())
  } catch {
    return undefined
  }
}

/** Objects and arrays, the outermost first. */
function holdersIn(value: unknown): Holder[] {
  if (typeof value !== 'object' || value === null) return [{}]
  const inner = Object.values(value).filter(one => typeof one === 'object' && one !== null)
  return [value as Holder, ...inner.flatMap(holdersIn)]
}

function textFrom(value: unknown, random: Random): unknown {
  if (typeof value === 'number') return value + random.pick([-1, 1, 0.5, 2 ** 31, -(2 ** 31)])
  const text = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value ?? null))
  return Buffer.from(mutateBinary(text, random, [text])).toString(random.chance(0.8) ? 'utf8' : 'latin1')
}

/** The same, spelled in a way that not everybody takes. */
function respelled(text: string, random: Random): string {
  const at = random.below(text.length)
  return random.pick([
    `\ufeff${text}`,
    `${text} `,
    `${text},`,
    text.replace('{', '{"a":1,"a":2,'),
    text.replace(/"(\w)/, (_, letter: string) => `"\\u00${letter.charCodeAt(0).toString(16)}`),
    text.replace(/\d/, '0$&'),
    '['.repeat(5000) + text,
    `${text.slice(0, at)}/**/${text.slice(at)}`,
  ])
}
