import { MessageError } from './message-error.js'

/** A media type (RFC 6838) with its parameters. */
export interface MediaType {
  /** `type/subtype` in lower case. */
  readonly name: string
  /** By name in lower case; the values as written, without quotes and escapes. */
  readonly parameters: ReadonlyMap<string, string>
}

/** Reads a Content-Type string with the grammar of RFC 9193 §3.
 *  @throws MessageError ERR_RATS_MALFORMED */
export function parseMediaType(text: string): MediaType {
  const name = text.length <= MAX_LENGTH ? NAME.exec(text) : null
  if (!name) throw new MessageError('ERR_RATS_MALFORMED', 'a media type is written type/subtype')
  const parameters = new Map<string, string>()
  let at = name[0].length
  while (at < text.length) {
    PARAMETER.lastIndex = at
    const match = PARAMETER.exec(text)
    const key = match?.[1]
    if (!match || key === undefined) {
      throw new MessageError('ERR_RATS_MALFORMED', 'a parameter of a media type is written ; name=value')
    }
    const lower = key.toLowerCase()
    if (parameters.has(lower)) throw new MessageError('ERR_RATS_MALFORMED', 'a media type has a parameter twice')
    parameters.set(lower, match[2] ?? (match[3] ?? '').replace(/\\(.)/g, '$1'))
    at = PARAMETER.lastIndex
  }
  return { name: name[0].toLowerCase(), parameters }
}

/** Whether text is a media type. */
export function isMediaType(text: string): boolean {
  return comparable(text) !== undefined
}

/** The one spelling of a media type: `type/subtype; name="value"`, an OID without quotes, parameters in order of name.
 *  @throws MessageError if the text is none */
export function canonicalMediaType(text: string): string {
  const { name, parameters } = parseMediaType(text)
  const written = [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => {
      return `; ${key}=${OID.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`}`
    })
  return name + written.join('')
}

/** Whether two types of messages are one: media types by name and parameters, CoAP Content-Formats by the media type
 *  that they are registered for. Text that is no media type is the same as nothing.
 *  The values of `eat_profile`, `cmwc_t`, `profile` and `charset` are compared without regard to case
 *  (RFC 9782 §4, RFC 9999 §9.5): for choosing what to do with a message, not in place of the claim in it. */
export function sameMediaType(a: string | number, b: string | number): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a === b
  const left = comparable(a)
  return left !== undefined && left === comparable(b)
}

/** The media type that a CoAP Content-Format is registered for; undefined for those unknown here. */
export function mediaTypeOf(contentFormat: number): string | undefined {
  return contentFormats.get(contentFormat)
}

/** The CoAP Content-Format that is registered for a media type with just its parameters; undefined if none is known. */
export function contentFormatOf(mediaType: string): number | undefined {
  const wanted = comparable(mediaType)
  return wanted === undefined ? undefined : BY_TYPE.get(wanted)
}

/** CoAP Content-Formats (RFC 7252 §12.3) that messages of RATS are registered under: RFC 9782 §6, RFC 9781 §6,
 *  RFC 9783 §10, RFC 9999 §9.6, and what they may hold. */
export const contentFormats: ReadonlyMap<number, string> = new Map([
  [0, 'text/plain; charset="utf-8"'],
  [17, 'application/cose; cose-type="cose-mac0"'],
  [18, 'application/cose; cose-type="cose-sign1"'],
  [50, 'application/json'],
  [60, 'application/cbor'],
  [61, 'application/cwt'],
  [258, 'application/swid+cbor'],
  [263, 'application/eat+cwt'],
  [264, 'application/eat+jwt'],
  [265, 'application/eat-bun+cbor'],
  [266, 'application/eat-bun+json'],
  [267, 'application/eat-ucs+cbor'],
  [268, 'application/eat-ucs+json'],
  [273, 'application/cmw+cbor'],
  [274, 'application/cmw+json'],
  [275, 'application/cmw+cose'],
  [276, 'application/cmw+jws'],
  [601, 'application/uccs+cbor'],
  [10003, 'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"'],
  [10004, 'application/eat+cwt; eat_profile="tag:psacertified.org,2019:psa#legacy"'],
  [10005, 'application/eat+cwt; eat_profile=2.16.840.1.113741.1.16.1'],
  [10570, 'application/toc+cbor'],
  [10571, 'application/ce+cbor'],
])

const MAX_LENGTH = 1024
const NAME = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/
const PARAMETER =
  / *; *([A-Za-z0-9!#$%&'*+.^_`|~-]+)=(?:([A-Za-z0-9!#$%&'*+.^_`|~-]+)|"((?:[\t !#-[\]-~]|\\[\t -~])*)")/y
const OID = /^[0-2](\.(0|[1-9][0-9]*))+$/
const CASELESS: ReadonlySet<string> = new Set(['eat_profile', 'cmwc_t', 'profile', 'charset'])

/** What to compare types by; undefined for text that is no media type. */
function comparable(type: string | number): string | undefined {
  const text = typeof type === 'number' ? contentFormats.get(type) : type
  if (text === undefined) return undefined
  const known = COMPARABLE.get(text)
  if (known !== undefined) return known
  try {
    return comparableText(text)
  } catch {
    return undefined
  }
}

function comparableText(text: string): string {
  const { name, parameters } = parseMediaType(text)
  const pairs = [...parameters].map(([key, value]) => [key, CASELESS.has(key) ? value.toLowerCase() : value])
  return JSON.stringify([name, ...pairs.sort(([a = ''], [b = '']) => (a < b ? -1 : 1))])
}

const COMPARABLE: ReadonlyMap<string, string> = new Map(
  [...contentFormats.values()].map(text => [text, comparableText(text)]),
)
const BY_TYPE: ReadonlyMap<string, number> = new Map(
  [...contentFormats].map(([id, text]) => [comparableText(text), id]),
)
