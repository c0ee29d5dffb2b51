import { refusal } from './certificate-error.js'

/** Identifier octets of DER (ITU-T X.690), as far as certificates use them. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** The identifier octet of a context-specific tag. */
export function contextTag(number: number, isConstructed: boolean): number {
  return (isConstructed ? 0xa0 : 0x80) | number
}

/** Reads the values of one DER encoding, or of the content of one, in their order. What is not DER (indefinite or
 *  padded lengths, padded integers, multi-byte tags, leftovers) is an ERR_X509_MALFORMED. It goes only as deep as its
 *  caller asks it to, and no value is looked at twice, so that its time is linear. */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  /** @param bytes not copied: they must not change while what is read from them is in use */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end
  }

  /** The identifier octet of the next value; -1 at the end. */
  get nextTag(): number {
    return this.isAtEnd ? -1 : (this.#bytes[this.#at] as number)
  }

  /** The next value, whatever it is. */
  any(): DerValue {
    const bytes = this.#bytes
    const start = this.#at
    let at = start
    if (this.#end - at < 2) throw malformed('the DER ends in the middle of a value')
    const tag = bytes[at++] as number
    if ((tag & 0x1f) === 0x1f) throw malformed('a DER tag has more than one byte')
    let length = bytes[at++] as number
    if (length >= 0x80) {
      const count = length & 0x7f
      if (count === 0 || count > 4) throw malformed('a DER length is indefinite or has more than four bytes')
      if (this.#end - at < count) throw malformed('the DER ends in the middle of a length')
      length = 0
      for (let i = 0; i < count; i++) length = length * 256 + (bytes[at++] as number)
      if (length < 0x80 || length < 256 ** (count - 1)) throw malformed('a DER length is longer than it need be')
    }
    if (length > this.#end - at)
      throw malformed(`a DER value of ${length} bytes stands where ${this.#end - at} are left`)
    this.#at = at + length
    return new DerValue(bytes, tag, start, at, at + length)
  }

  /** The next value, which has to have this tag. */
  read(tag: number, what: string): DerValue {
    if (this.nextTag !== tag) throw malformed(`${what} is ${this.isAtEnd ? 'missing' : 'of another type'}`)
    return this.any()
  }

  /** The next value if it has this tag. */
  optional(tag: number): DerValue | undefined {
    return this.nextTag === tag ? this.any() : undefined
  }

  /** @throws CertificateError if anything is left */
  finish(what: string): void {
    if (!this.isAtEnd) throw malformed(`${what} has ${this.#end - this.#at} bytes left over`)
  }
}

/** One value in DER. */
export class DerValue {
  readonly tag: number
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #from: number
  readonly #end: number

  constructor(bytes: Uint8Array, tag: number, start: number, from: number, end: number) {
    this.#bytes = bytes
    this.tag = tag
    this.#start = start
    this.#from = from
    this.#end = end
  }

  /** A view of the whole value with its tag and length. */
  get encoding(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end)
  }

  /** A view of the value without them. */
  get content(): Uint8Array {
    return this.#bytes.subarray(this.#from, this.#end)
  }

  /** Length of the content in bytes. */
  get length(): number {
    return this.#end - this.#from
  }

  /** Reads the values inside. */
  reader(): DerReader {
    return new DerReader(this.#bytes, this.#from, this.#end)
  }
}

/** The one value that these bytes are. @throws CertificateError if they are another, or more */
export function readDer(bytes: Uint8Array, tag: number, what: string): DerValue {
  const reader = new DerReader(bytes)
  const value = reader.read(tag, what)
  reader.finish(what)
  return value
}

/** BOOLEAN. */
export function booleanOf(value: DerValue, what: string): boolean {
  const [byte] = value.content
  if (value.length !== 1 || (byte !== 0 && byte !== 0xff)) throw malformed(`${what} is no BOOLEAN in DER`)
  return byte === 0xff
}

/** The content of an INTEGER: two's complement, as short as can be. */
export function integerOf(value: DerValue, what: string): Uint8Array {
  const content = value.content
  const [first, second] = content
  if (first === undefined) throw malformed(`${what} is an empty INTEGER`)
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw malformed(`${what} is an INTEGER with superfluous bytes`)
  }
  return content
}

/** An INTEGER from 0 to 2^31 - 1; undefined for a larger one. @throws CertificateError for a negative one */
export function smallIntegerOf(value: DerValue, what: string): number | undefined {
  const content = integerOf(value, what)
  if ((content[0] as number) >= 0x80) throw malformed(`${what} is negative`)
  if (content.length > 4) return undefined
  let number = 0
  for (const byte of content) number = number * 256 + byte
  return number
}

/** A BIT STRING of whole bytes. */
export function octetsOf(value: DerValue, what: string): Uint8Array {
  if (value.length < 1 || value.content[0] !== 0) throw malformed(`${what} is no BIT STRING of whole bytes`)
  return value.content.subarray(1)
}

/** The numbers of the bits that are set in a named bit list.
 *  @returns bit 0 is the lowest bit of the number   @throws CertificateError if it has more than 31 */
export function bitsOf(value: DerValue, what: string): number {
  const [unused, ...bytes] = value.content
  const last = bytes.at(-1)
  if (unused === undefined || unused > 7 || bytes.length > 4 || (last === undefined && unused > 0)) {
    throw malformed(`${what} is no BIT STRING of named bits`)
  }
  if (last !== undefined && (last & ((1 << unused) - 1)) !== 0) throw malformed(`${what} has bits after its end`)
  let flags = 0
  for (const [i, byte] of bytes.entries()) {
    for (let bit = 0; bit < 8; bit++) if (byte & (0x80 >> bit)) flags |= 1 << (i * 8 + bit)
  }
  return flags >>> 0
}

/** An OBJECT IDENTIFIER in dots. */
export function oidOf(value: DerValue, what: string): string {
  return oidText(value.content, what)
}

/** The text of an OBJECT IDENTIFIER's content. */
export function oidText(content: Uint8Array, what: string): string {
  if (content.length === 0 || content.length > MOST_OID_BYTES || (content.at(-1) as number) >= 0x80) {
    throw malformed(`${what} is no OBJECT IDENTIFIER`)
  }
  let text = ''
  let arc = 0
  let isStart = true
  let big: bigint | undefined
  for (const byte of content) {
    if (isStart && byte === 0x80) throw malformed(`${what} is an OBJECT IDENTIFIER with superfluous bytes`)
    isStart = false
    if (big === undefined && arc >= 2 ** 45) big = BigInt(arc)
    if (big === undefined) arc = arc * 128 + (byte & 0x7f)
    else big = big * 128n + BigInt(byte & 0x7f)
    if (byte >= 0x80) continue
    if (text !== '') text += `.${big ?? arc}`
    else if (big !== undefined) text = `2.${big - 80n}`
    else text = arc < 80 ? `${Math.floor(arc / 40)}.${arc % 40}` : `2.${arc - 80}`
    arc = 0
    big = undefined
    isStart = true
  }
  return text
}
const MOST_OID_BYTES = 64

/** UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 allows them: to the second, in UTC.
 *  @returns milliseconds since 1970 */
export function timeOf(value: DerValue, what: string): number {
  const yearDigits = value.tag === Tag.utcTime ? 2 : value.tag === Tag.generalizedTime ? 4 : 0
  const content = value.content
  if (yearDigits === 0 || content.length !== yearDigits + 11 || content.at(-1) !== 0x5a) {
    throw malformed(`${what} is no time in UTC to the second`)
  }
  const number = (at: number, digits: number): number => {
    let sum = 0
    for (let i = at; i < at + digits; i++) {
      const digit = (content[i] as number) - 0x30
      if (digit < 0 || digit > 9) throw malformed(`${what} is no time: it has a character that is no digit`)
      sum = sum * 10 + digit
    }
    return sum
  }
  const short = number(0, yearDigits)
  const year = yearDigits === 4 ? short : short < 50 ? 2000 + short : 1900 + short
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map(i => number(yearDigits + i, 2)) as FiveNumbers
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const isReal =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  if (!isReal) throw malformed(`${what} is no date of the calendar`)
  return date.getTime()
}
// `map` of an array of five gives five.
type FiveNumbers = [number, number, number, number, number]

function malformed(message: string): Error {
  return refusal('ERR_X509_MALFORMED', message)
}
