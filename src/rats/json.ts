import { type CborMap, type CborValue, Float } from './cbor.js'
import { MessageError } from './message-error.js'

/** JSON (RFC 8259) in the same shapes as CBOR, so that one reader serves both: objects as maps, whole numbers as
 *  `number`, all other numbers as Float. An object that names a member twice is an error, and so is nesting past 32.
 *  @param input text, or its UTF-8 bytes
 *  @throws MessageError ERR_RATS_JSON */
export function decodeJson(input: string | Uint8Array): CborValue {
  if (input.length > MAX_LENGTH)
    throw new MessageError('ERR_RATS_JSON', `the message is longer than ${MAX_LENGTH} bytes`)
  const text = typeof input === 'string' ? input : textOf(input)
  const written = memberCount(text)
  const read = { members: 0 }
  const value = shaped(parsed(text), read)
  // JSON.parse keeps the last of several members with one name: then there are fewer than were written.
  if (read.members !== written) throw new MessageError('ERR_RATS_JSON', 'an object names a member twice')
  return value
}

/** JSON text of values that JSON can say, without any white space.
 *  @throws TypeError for byte strings, tags, bigints and keys that are numbers: JSON has no form for them */
export function encodeJson(value: CborValue): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  if (value instanceof Float && Number.isFinite(value.value)) return JSON.stringify(value.value)
  if (Array.isArray(value)) return `[${value.map(encodeJson).join(',')}]`
  if (value instanceof Map) return `{${[...(value as CborMap)].map(encodeMember).join(',')}}`
  throw new TypeError('a value in JSON is a Map, an array, text, a number, true, false or null')
}

const MAX_DEPTH = 32
const MAX_LENGTH = 1 << 20

function encodeMember([name, value]: [number | string, CborValue]): string {
  if (typeof name !== 'string') throw new TypeError('a member of an object in JSON is named by text')
  return `${JSON.stringify(name)}:${encodeJson(value)}`
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new MessageError('ERR_RATS_JSON', 'the JSON text is not UTF-8')
  }
}

/** How many members all objects together have in the text, and that it is not too deep. */
function memberCount(text: string): number {
  let members = 0
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i)
        break
      case COLON:
        members++
        break
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        if (++depth > MAX_DEPTH)
          throw new MessageError('ERR_RATS_JSON', `the message is nested deeper than ${MAX_DEPTH}`)
        break
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth--
        break
    }
  }
  return members
}

function endOfString(text: string, start: number): number {
  let i = start + 1
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1
  return i
}

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new MessageError('ERR_RATS_JSON', 'the message is not JSON')
  }
}

function shaped(value: unknown, read: { members: number }): CborValue {
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'string') return wholeText(value)
  if (typeof value === 'number') return numberOf(value)
  if (Array.isArray(value)) return value.map(item => shaped(item, read))
  const map = new Map<string, CborValue>()
  for (const [name, member] of Object.entries(value as object)) {
    read.members++
    map.set(wholeText(name), shaped(member, read))
  }
  return map
}

/** JSON can spell half a surrogate pair, which is no character and has no UTF-8. */
function wholeText(text: string): string {
  if (LONE_SURROGATE.test(text)) throw new MessageError('ERR_RATS_JSON', 'a string holds half a surrogate pair')
  return text
}

const LONE_SURROGATE = /\p{Surrogate}/u

function numberOf(value: number): CborValue {
  if (!Number.isFinite(value)) throw new MessageError('ERR_RATS_JSON', 'a number is too large')
  if (!Number.isSafeInteger(value)) return new Float(value)
  // Whole numbers have one zero, as in CBOR; JSON can spell another.
  return value === 0 ? 0 : value
}
