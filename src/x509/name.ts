import { hex } from '../bytes/index.js'
import { refusal } from './certificate-error.js'
import { type DerReader, type DerValue, oidOf, Tag } from './der.js'

/** One attribute of a distinguished name. */
export interface NameAttribute {
  /** OID in dots. */
  readonly type: string
  /** The text; `#` and the DER in hex for what is no text. */
  readonly value: string
}

/** A distinguished name (RFC 5280 §4.1.2.4). */
export class Name {
  /** As it stands in the certificate. */
  readonly der: Uint8Array
  /** Each RelativeDistinguishedName with its attributes, in the order of the encoding. */
  readonly rdns: readonly (readonly NameAttribute[])[]
  #keys: readonly string[] | undefined
  #key: string | undefined
  #text: string | undefined

  constructor(der: Uint8Array, rdns: readonly (readonly NameAttribute[])[]) {
    this.der = der
    this.rdns = rdns
  }

  get isEmpty(): boolean {
    return this.rdns.length === 0
  }

  /** The text of the first attribute of this type, such as `2.5.4.3` for a common name. */
  attribute(type: string): string | undefined {
    for (const rdn of this.rdns) for (const attribute of rdn) if (attribute.type === type) return attribute.value
    return undefined
  }

  /** Equal for names that RFC 5280 §7.1 calls equal: letter case and runs of spaces make no difference. */
  get key(): string {
    this.#key ??= this.rdnKeys.join('\n')
    return this.#key
  }

  /** The same for each RelativeDistinguishedName. */
  get rdnKeys(): readonly string[] {
    this.#keys ??= this.rdns.map(rdn => {
      const parts = rdn.map(({ type, value }) => `${type}=${JSON.stringify(fold(value))}`)
      return parts.sort().join('+')
    })
    return this.#keys
  }

  /** What `describeName` says. */
  get text(): string {
    this.#text ??= textOfRdns(this.rdns)
    return this.#text
  }

  equals(other: Name): boolean {
    return this.key === other.key
  }

  /** Whether this name lies in the subtree of `base` (RFC 5280 §4.2.1.10). */
  isWithin(base: Name): boolean {
    const keys = this.rdnKeys
    return base.rdnKeys.every((key, i) => key === keys[i])
  }
}

/** The name as one line for people: `CN=SEV-Milan, O=Advanced Micro Devices`, most specific attribute first. Characters
 *  that could forge a log line or a second attribute are escaped. */
export function describeName(name: Name): string {
  return name.text
}

function textOfRdns(rdns: Name['rdns']): string {
  const text = [...rdns]
    .reverse()
    .map(rdn => rdn.map(({ type, value }) => `${SHORT[type] ?? type}=${escaped(value)}`).join('+'))
    .join(', ')
  return text === '' ? '(no name)' : text
}

/** Reads the Name that comes next. */
export function readName(reader: DerReader, what: string): Name {
  return nameOf(reader.read(Tag.sequence, what), what)
}

/** @param value a Name, or an implicitly tagged one */
export function nameOf(value: DerValue, what: string): Name {
  const rdns: NameAttribute[][] = []
  const outer = value.reader()
  let count = 0
  while (!outer.isAtEnd) {
    const set = outer.read(Tag.set, `a part of ${what}`).reader()
    const rdn: NameAttribute[] = []
    do {
      if (++count > MOST_ATTRIBUTES) {
        throw refusal('ERR_X509_TOO_LARGE', `${what} has more than ${MOST_ATTRIBUTES} attributes`)
      }
      rdn.push(readAttribute(set, what))
    } while (!set.isAtEnd)
    rdns.push(rdn)
  }
  return new Name(value.encoding, rdns)
}
const MOST_ATTRIBUTES = 64

function readAttribute(set: DerReader, what: string): NameAttribute {
  const reader = set.read(Tag.sequence, `an attribute of ${what}`).reader()
  const type = oidOf(reader.read(Tag.oid, `an attribute type of ${what}`), `an attribute type of ${what}`)
  const value = textOf(reader.any())
  reader.finish(`an attribute of ${what}`)
  return { type, value }
}

/** The text of a DirectoryString or of the other string types; `#` and hex for what is none. */
function textOf(value: DerValue): string {
  const content = value.content
  switch (value.tag) {
    case Tag.utf8String:
      try {
        return UTF8.decode(content)
      } catch {
        break
      }
    case Tag.printableString:
    case Tag.ia5String:
    case Tag.visibleString:
    case Tag.teletexString:
      return latin1(content)
    case Tag.bmpString:
      if (content.length % 2 !== 0) break
      return units(content, 2)
    case Tag.universalString:
      if (content.length % 4 !== 0) break
      return units(content, 4)
  }
  return `#${hex(value.encoding)}`
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One character for each byte: what ASCII text is, and what other bytes may as well be. */
export function latin1(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

function units(bytes: Uint8Array, size: 2 | 4): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += size) {
    let unit = 0
    for (let j = 0; j < size; j++) unit = unit * 256 + (bytes[i + j] as number)
    text += unit > 0x10ffff ? '\ufffd' : String.fromCodePoint(unit)
  }
  return text
}

function fold(value: string): string {
  return value.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')
}

function escaped(value: string): string {
  return (
    value
      .slice(0, MOST_SHOWN)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
      .replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, '\ufffd')
      .replace(/[,+"\\<>;=]/g, character => `\\${character}`)
  )
}
const MOST_SHOWN = 256

const SHORT: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
}
