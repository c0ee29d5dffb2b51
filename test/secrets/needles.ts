import { inspect } from 'node:util'

/** Finds byte strings that nobody may see, in whatever spelling they come. */
export class Needles {
  readonly #secrets = new Map<string, readonly string[]>()

  /** @param name for the complaint   @param bytes 8 or more */
  add(name: string, bytes: Uint8Array): void {
    if (bytes.length < PART) throw new RangeError(`${name} is too short to be told from chance`)
    // Parts will do: what is long is shown in part, and encoded from anywhere on.
    const ends = [0, 1, 2].map(offset => bytes.subarray(offset, offset + PART))
    const parts = [...ends, bytes.subarray(bytes.length - PART), bytes.subarray(bytes.length >> 1).subarray(0, PART)]
    const spellings = parts.filter(({ length }) => length === PART).flatMap(spellingsOf)
    // Base64 has three bytes in four characters: its beginning depends on none that come before.
    const base64 = [0, 1, 2].map(offset => Buffer.from(bytes.subarray(offset)).toString('base64').slice(0, 10))
    this.#secrets.set(name, [...spellings, ...base64, ...base64.map(toUrl)])
  }

  /** Names of the secrets that can be seen in a value, however it is printed. */
  seenIn(value: unknown): readonly string[] {
    const text = [
      inspect(value, { depth: 12, showHidden: true, maxArrayLength: null, maxStringLength: null, breakLength: 1e9 }),
      value instanceof Error ? `${value.stack} ${String(value)}` : '',
      json(value),
    ].join('\n')
    const bare = text.replace(/\s+/g, '')
    const isSeen = (spelling: string) => text.includes(spelling) || bare.includes(spelling)
    return [...this.#secrets].filter(([, spellings]) => spellings.some(isSeen)).map(([name]) => name)
  }
}

/** Bytes that are not the same by chance. */
const PART = 8

/** Hex, in lower and upper case; lists of numbers, as `inspect` and JSON print them; one character for each byte. */
function spellingsOf(part: Uint8Array): readonly string[] {
  const hex = Buffer.from(part).toString('hex')
  const members = JSON.stringify([...part]).slice(1, -1)
  return [hex, hex.toUpperCase(), members, Buffer.from(part).toString('latin1')]
}

function toUrl(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('/', '_')
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? ''
  } catch {
    return ''
  }
}
