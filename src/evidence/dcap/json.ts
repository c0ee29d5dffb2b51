import { parse, type ValueNode } from '@humanwhocodes/momoa'
import { MessageError } from '../../rats/index.js'

/** A value in a JSON document that is signed as it is spelled, read with its place in the text. Each reading method
 *  throws a MessageError unless the value is what is asked for. */
export class SpelledJson {
  /** For messages: `tcbInfo.tcbLevels`. */
  readonly path: string
  readonly #text: string
  readonly #node: ValueNode
  readonly #members: ReadonlyMap<string, SpelledJson> | undefined

  /** @param text one JSON value   @throws MessageError if it is none, or has a member twice */
  static parse(text: string, what: string): SpelledJson {
    if (text.length > MAX_LENGTH) throw malformed(`${what} is longer than ${MAX_LENGTH} characters`)
    try {
      // The parser that knows places lets control characters stand in strings; this one does not (RFC 8259 §7).
      JSON.parse(text)
      return new SpelledJson(text, parse(text, { mode: 'json', ranges: true }).body, what)
    } catch (error) {
      if (error instanceof MessageError) throw error
      throw malformed(`${what} is not JSON`)
    }
  }

  private constructor(text: string, node: ValueNode, path: string) {
    this.#text = text
    this.#node = node
    this.path = path
    if (node.type === 'Object') {
      const members = new Map<string, SpelledJson>()
      for (const { name, value } of node.members) {
        const key = name.type === 'String' ? name.value : name.name
        // RFC 8259 §4: what a name that stands twice means depends on who reads it.
        if (members.has(key)) throw malformed(`${path} has the member ${shown(key)} twice`)
        members.set(key, new SpelledJson(text, value, `${path}.${shown(key)}`))
      }
      this.#members = members
    }
  }

  /** The value as it stands in the text. */
  get spelling(): string {
    const [start, end] = this.#node.range ?? [0, 0]
    return this.#text.slice(start, end)
  }

  /** A member that has to be there. */
  at(name: string): SpelledJson {
    return this.optional(name) ?? this.fail(`has no ${name}`)
  }

  /** A member that may be absent. */
  optional(name: string): SpelledJson | undefined {
    if (!this.#members) return this.fail('is not an object')
    return this.#members.get(name)
  }

  items(): readonly SpelledJson[] {
    if (this.#node.type !== 'Array') return this.fail('is not an array')
    if (this.#node.elements.length > MOST_ITEMS) this.fail(`has more than ${MOST_ITEMS} items`)
    return this.#node.elements.map(({ value }, i) => new SpelledJson(this.#text, value, `${this.path}[${i}]`))
  }

  text(): string {
    if (this.#node.type !== 'String') return this.fail('is not a string')
    return this.#node.value
  }

  integer(min: number, max: number): number {
    if (this.#node.type !== 'Number') return this.fail('is not a number')
    const { value } = this.#node
    if (!Number.isInteger(value) || value < min || value > max) this.fail(`is not a whole number from ${min} to ${max}`)
    return value
  }

  /** Hex of so many bytes, in either case. @returns lower case */
  hex(bytes: number): string {
    const text = this.text()
    if (text.length !== bytes * 2 || !/^[0-9a-fA-F]*$/.test(text)) this.fail(`is not hex of ${bytes} bytes`)
    return text.toLowerCase()
  }

  /** Hex of any number of bytes, in either case. */
  bytes(): Uint8Array {
    const text = this.text()
    if (!/^([0-9a-fA-F]{2})*$/.test(text)) this.fail('is not hex')
    return Uint8Array.from(text.match(/../g) ?? [], byte => Number.parseInt(byte, 16))
  }

  /** A point in time as RFC 3339 writes it in UTC. @returns milliseconds since 1970 */
  time(): number {
    const text = this.text()
    const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/.test(text) ? Date.parse(text) : Number.NaN
    if (Number.isNaN(time)) return this.fail('is not a time in UTC')
    return time
  }

  fail(sentence: string): never {
    throw malformed(`${this.path} ${sentence}`)
  }
}

const MAX_LENGTH = 1 << 20
const MOST_ITEMS = 1000

function shown(name: string): string {
  return /^\w{1,40}$/.test(name) ? name : '(a strange name)'
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_JSON', sentence)
}
