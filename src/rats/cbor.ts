import { encode, rfc8949EncodeOptions, Token, Tokenizer, Type } from 'cborg'
import { MessageError } from './message-error.js'

/** What CBOR (RFC 8949) can say here: whole numbers as `number`, beyond 2^53 as `bigint`; floating-point numbers as
 *  Float, so that nobody takes one for the other; tags kept. `undefined` and unassigned simple values are errors. */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | Float
  | Tagged
  | readonly CborValue[]
  | CborMap

/** A map whose keys are whole numbers and text, each once. */
export type CborMap = ReadonlyMap<number | string, CborValue>

/** A floating-point number: finite, and not the same as the whole number of that value. */
export class Float {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

/** A value with a tag in front of it (RFC 8949 §3.4). */
export class Tagged {
  readonly tag: number
  readonly value: CborValue

  constructor(tag: number, value: CborValue) {
    this.tag = tag
    this.value = value
  }

  get [Symbol.toStringTag](): string {
    return 'Tagged'
  }
}

/** How strictly CBOR is read. Both reject duplicate keys, keys that are neither whole numbers nor text, text that is
 *  not UTF-8, strings in pieces, NaN and infinities, `undefined`, simple values, nesting past 32, and anything before
 *  or after the one item.
 *  - `deterministic`: RFC 8949 §4.2.1 besides: definite lengths, shortest heads and floats, keys in bytewise order.
 *    For messages that are defined here, and for bytes that stand for themselves, such as keys that are hashed.
 *  - `tolerant`: indefinite arrays and maps, longer heads and any order are fine. For foreign messages, whose standards
 *    allow that: PSA tokens promise no preferred serialisation (RFC 9783 §5.1), AWS Nitro documents hold maps of
 *    indefinite length. */
export type CborRules = 'deterministic' | 'tolerant'

/** Bytes that are not CBOR, or not under the rules asked for. */
export class CborError extends MessageError {
  constructor(sentence: string) {
    super('ERR_RATS_CBOR', sentence)
    this.name = 'CborError'
  }
}

/** The one CBOR item that `bytes` are. Byte strings are copies.
 *  @throws CborError */
export function decodeCbor(bytes: Uint8Array, rules: CborRules = 'deterministic'): CborValue {
  const items = new Items(bytes, rules)
  const value = items.item(0)
  items.end()
  return value
}

/** CBOR under the `deterministic` rules.
 *  @throws TypeError for what CBOR cannot say: a number that is neither whole nor a Float, half a surrogate pair */
export function encodeCbor(value: CborValue): Uint8Array {
  // cborg hands out its internal buffer's slice: a plain copy keeps the type and the memory small.
  return Uint8Array.from(encode(value, ENCODE_OPTIONS))
}

/** The bytes, as they stand in `bytes`, of the value that is found by following map keys and array indices.
 *  For hashes over parts of a message: what was sent is hashed, not what we would have sent.
 *  @returns a view into `bytes`; undefined where there is no such value
 *  @throws CborError if `bytes` are not one CBOR item under the `tolerant` rules */
export function encodedAt(bytes: Uint8Array, path: readonly (number | string)[]): Uint8Array | undefined {
  decodeCbor(bytes, 'tolerant')
  const items = new Items(bytes, 'tolerant')
  const span = items.find(path)
  return span && bytes.subarray(span.start, span.end)
}

const MAX_DEPTH = 32
const MAX_LENGTH = 1 << 20

const ENCODE_OPTIONS = {
  ...rfc8949EncodeOptions,
  typeEncoders: {
    number: (value: unknown) => {
      if (!Number.isSafeInteger(value))
        throw new TypeError('a number in CBOR is whole and below 2^53; else it is a Float or a bigint')
      return null
    },
    string: (value: unknown) => {
      if (typeof value === 'string' && LONE_SURROGATE.test(value))
        throw new TypeError('text in CBOR is whole Unicode characters')
      return null
    },
    undefined: () => {
      throw new TypeError('undefined cannot be said in CBOR')
    },
    Object: (value: unknown) => {
      if (!(value instanceof Float)) throw new TypeError('a map in CBOR is a Map')
      if (!Number.isFinite(value.value)) throw new TypeError('a Float is finite')
      return new Token(Type.float, value.value)
    },
  },
}

const LONE_SURROGATE = /\p{Surrogate}/u

const OPTIONS = {
  deterministic: { strict: true, allowIndefinite: false, allowUndefined: false, allowNaN: false, allowInfinity: false },
  tolerant: { strict: false, allowIndefinite: true, allowUndefined: false, allowNaN: false, allowInfinity: false },
} as const

interface Span {
  readonly start: number
  readonly end: number
}

/** Builds values from cborg's tokens, and sees to what cborg leaves open. */
class Items {
  readonly #bytes: Uint8Array
  readonly #tokens: Tokenizer
  readonly #isDeterministic: boolean

  constructor(bytes: Uint8Array, rules: CborRules) {
    if (bytes.length > MAX_LENGTH) throw new CborError(`the message is longer than ${MAX_LENGTH} bytes`)
    // A Buffer would hand out views where cborg expects copies.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#tokens = new Tokenizer(this.#bytes, { allowBigInt: true, ...OPTIONS[rules] })
    this.#isDeterministic = rules === 'deterministic'
  }

  end(): void {
    if (!this.#tokens.done())
      throw new CborError(`${this.#bytes.length - this.#tokens.pos()} bytes follow the CBOR item`)
  }

  item(depth: number): CborValue {
    return this.#valueOf(this.#next(), depth)
  }

  /** Where a part stands in bytes that are known to be sound. */
  find(path: readonly (number | string)[]): Span | undefined {
    let span: Span | undefined
    const walk = (at: number): void => {
      const start = this.#tokens.pos()
      const token = this.#next()
      const [step] = path.slice(at)
      if (at < path.length && (token.type === Type.map || token.type === Type.array)) {
        const isMap = token.type === Type.map
        for (let i = 0; i < token.value && !this.#isAtBreak(token); i++) {
          const key = isMap ? this.#key(this.#next(), at) : i
          if (key === step) walk(at + 1)
          else this.item(at + 1)
        }
      } else this.#valueOf(token, at)
      if (at === path.length) span = { start, end: this.#tokens.pos() }
    }
    walk(0)
    return span
  }

  #next(): Token {
    if (this.#tokens.done()) throw new CborError('the CBOR item ends too early')
    try {
      return this.#tokens.next()
    } catch (error) {
      throw new CborError(sentenceOf(error))
    }
  }

  /** Takes the break that ends an indefinite array or map, if that is what comes. */
  #isAtBreak(token: Token): boolean {
    if (token.value !== Number.POSITIVE_INFINITY) return false
    if (this.#bytes[this.#tokens.pos()] !== BREAK) return false
    this.#next()
    return true
  }

  #valueOf(token: Token, depth: number): CborValue {
    switch (token.type) {
      case Type.uint:
      case Type.negint:
      case Type.bytes:
      case Type.true:
      case Type.false:
      case Type.null:
        return token.value
      case Type.string:
        return this.#text(token)
      case Type.array:
        return this.#array(token, depth)
      case Type.map:
        return this.#map(token, depth)
      case Type.tag:
        if (typeof token.value !== 'number') throw new CborError('a tag number is beyond 2^53')
        return new Tagged(token.value, this.item(deeper(depth)))
      case Type.float:
        return this.#float(token)
      default:
        throw new CborError('a break stands where an item is expected')
    }
  }

  #array(token: Token, depth: number): readonly CborValue[] {
    const inner = deeper(depth)
    const values: CborValue[] = []
    for (let i = 0; i < token.value && !this.#isAtBreak(token); i++) values.push(this.item(inner))
    return values
  }

  #map(token: Token, depth: number): CborMap {
    const inner = deeper(depth)
    const map = new Map<number | string, CborValue>()
    let previous: Span | undefined
    for (let i = 0; i < token.value && !this.#isAtBreak(token); i++) {
      const start = this.#tokens.pos()
      const key = this.#key(this.#next(), inner)
      if (map.has(key)) throw new CborError('a map holds a key twice')
      if (this.#isDeterministic) {
        const span = { start, end: this.#tokens.pos() }
        if (previous && !this.#isBefore(previous, span)) throw new CborError('the keys of a map are out of order')
        previous = span
      }
      map.set(key, this.item(inner))
    }
    return map
  }

  #key(token: Token, depth: number): number | string {
    const key = this.#valueOf(token, depth)
    if (typeof key === 'number' || typeof key === 'string') return key
    throw new CborError('a key of a map is neither a whole number below 2^53 nor text')
  }

  /** Bytewise lexicographic order of two encoded keys (RFC 8949 §4.2.1). */
  #isBefore(a: Span, b: Span): boolean {
    const bytes = this.#bytes
    for (let i = a.start, j = b.start; i < a.end && j < b.end; i++, j++) {
      const order = (bytes[i] as number) - (bytes[j] as number)
      if (order !== 0) return order < 0
    }
    return a.end - a.start < b.end - b.start
  }

  /** cborg puts U+FFFD where text is not UTF-8, and drops a byte order mark: such text is read again. */
  #text(token: Token): string {
    const text: string = token.value
    const end = this.#tokens.pos()
    const start = end - (token.encodedLength ?? 0)
    const content = this.#bytes.subarray(start + headLength(this.#bytes[start] as number), end)
    if (content.length === text.length && !text.includes('\ufffd')) return text
    try {
      return UTF8.decode(content)
    } catch {
      throw new CborError('text is not UTF-8')
    }
  }

  #float(token: Token): Float {
    const float = new Float(token.value)
    if (this.#isDeterministic && encodeCbor(float).length !== token.encodedLength) {
      throw new CborError('a floating-point number is longer than it has to be')
    }
    return float
  }
}

const BREAK = 0xff
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** How many bytes the initial byte of an item and its argument take (RFC 8949 §3). */
function headLength(initial: number): number {
  const argument = initial & 31
  return argument < 24 ? 1 : 1 + 2 ** (argument - 24)
}

function deeper(depth: number): number {
  if (depth >= MAX_DEPTH) throw new CborError(`the message is nested deeper than ${MAX_DEPTH}`)
  return depth + 1
}

function sentenceOf(error: unknown): string {
  // cborg's sentences hold numbers and kinds, never the peer's strings.
  return error instanceof Error ? error.message.replace(/^CBOR decode error: /, '') : 'the message is not CBOR'
}
