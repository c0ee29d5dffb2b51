import { parse, type ValueNode } from '@humanwhocodes/momoa'

/** A document that a person wrote and that does not say what it has to; the message begins with the place. */
export class PolicyError extends Error {
  readonly code = 'ERR_POLICY'
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** Counted from 1, in UTF-16 units. */
  readonly column: number

  constructor(file: string, place: { readonly line: number; readonly column: number }, sentence: string) {
    super(`${file}:${place.line}:${place.column}: ${printable(sentence)}`)
    this.name = 'PolicyError'
    this.file = file
    this.line = place.line
    this.column = place.column
  }
}

/** Names and characters out of the document are shown as they stand there, but for those that would change how the rest
 *  is shown: control characters and marks of direction. */
function printable(sentence: string): string {
  return sentence.replace(/[\p{Cc}\p{Cf}]/gu, character => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  })
}

/** A value in a JSON document, with its place, so that every complaint can say where. Each reading method throws a
 *  PolicyError unless the value is what is asked for. */
export class Located {
  /** As a person would write it: `platforms[0].measurements`; empty for the whole document. */
  readonly path: string
  readonly #file: string
  readonly #node: ValueNode

  private constructor(file: string, path: string, node: ValueNode) {
    this.#file = file
    this.path = path
    this.#node = node
  }

  /** Reads JSON (RFC 8259), nothing more: no comments, no trailing commas.
   *  @param file what the text is called in complaints */
  static parse(text: string, file: string): Located {
    if (text.length > MAX_LENGTH)
      throw new PolicyError(file, START, `the document is longer than ${MAX_LENGTH} characters`)
    return new Located(file, '', bodyOf(text, file))
  }

  /** Ends with a complaint about this value. */
  fail(sentence: string): never {
    throw new PolicyError(this.#file, this.#node.loc.start, this.path === '' ? sentence : `${this.path} ${sentence}`)
  }

  /** An object with members of these names and no others. */
  members<Name extends string>(names: readonly Name[]): Partial<Readonly<Record<Name, Located>>> {
    const found: Partial<Record<string, Located>> = Object.create(null)
    for (const [name, value] of this.entries()) {
      if (!names.some(known => known === name)) {
        value.fail(`is not a member that is known here: there are ${names.join(', ')}`)
      }
      found[name] = value
    }
    return found as Partial<Record<Name, Located>>
  }

  /** An object with members of any names. */
  entries(): ReadonlyMap<string, Located> {
    if (this.#node.type !== 'Object') return this.fail(`has to be an object, not ${described(this.#node)}`)
    const found = new Map<string, Located>()
    for (const { name, value } of this.#node.members) {
      const text = name.type === 'String' ? name.value : name.name
      const path = this.path === '' ? text : `${this.path}.${text}`
      if (found.has(text)) throw new PolicyError(this.#file, name.loc.start, `${path} stands there twice`)
      found.set(text, new Located(this.#file, path, value))
    }
    return found
  }

  get isArray(): boolean {
    return this.#node.type === 'Array'
  }

  items(): readonly Located[] {
    if (this.#node.type !== 'Array') return this.fail(`has to be an array, not ${described(this.#node)}`)
    return this.#node.elements.map(({ value }, i) => new Located(this.#file, `${this.path}[${i}]`, value))
  }

  text(): string {
    if (this.#node.type !== 'String') return this.fail(`has to be a string, not ${described(this.#node)}`)
    return this.#node.value
  }

  integer(min: number, max: number): number {
    const { type } = this.#node
    if (type !== 'Number') return this.fail(`has to be a number, not ${described(this.#node)}`)
    const { value } = this.#node
    if (!Number.isInteger(value) || value < min || value > max) {
      this.fail(`has to be a whole number from ${min} to ${max}, not ${value}`)
    }
    return value
  }

  boolean(): boolean {
    if (this.#node.type !== 'Boolean') return this.fail(`has to be true or false, not ${described(this.#node)}`)
    return this.#node.value
  }

  /** A string, a whole number, or true or false. */
  scalar(): string | number | boolean {
    switch (this.#node.type) {
      case 'String':
        return this.text()
      case 'Number':
        return this.integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
      case 'Boolean':
        return this.boolean()
      default:
        return this.fail(`has to be a string, a number, true or false, not ${described(this.#node)}`)
    }
  }
}

const MAX_LENGTH = 1 << 20
const START = { line: 1, column: 1 }

function bodyOf(text: string, file: string): ValueNode {
  let body: ValueNode
  try {
    body = parse(text, { mode: 'json' }).body
  } catch (error) {
    throw new PolicyError(file, placeOf(error), `this is not JSON: ${sentenceOf(error)}`)
  }
  try {
    // The parser with places lets control characters stand in strings, which RFC 8259 §7 forbids.
    JSON.parse(text)
  } catch {
    throw new PolicyError(file, START, 'this is not JSON: a string holds a control character')
  }
  return body
}

function placeOf(error: unknown): { line: number; column: number } {
  if (!(error instanceof Error) || !('line' in error) || !('column' in error)) return START
  const { line, column } = error
  return typeof line === 'number' && typeof column === 'number' ? { line, column } : START
}

function sentenceOf(error: unknown): string {
  if (error instanceof RangeError) return 'it is nested too deeply'
  // The parser puts the place behind its sentence, where ours has it in front already.
  return error instanceof Error ? error.message.replace(/ \(\d+:\d+\)$/, '') : 'it cannot be read'
}

function described(node: ValueNode): string {
  switch (node.type) {
    case 'Object':
      return 'an object'
    case 'Array':
      return 'an array'
    case 'String':
      return 'a string'
    case 'Number':
    case 'NaN':
    case 'Infinity':
      return 'a number'
    case 'Boolean':
      return String(node.value)
    case 'Null':
      return 'null'
  }
}
