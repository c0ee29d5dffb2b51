/** Bytes in base64url without padding (RFC 7515 §2). */
export function toBase64url(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    const digits = Math.min(bytes.length - i, 3) + 1
    for (let digit = 0; digit < digits; digit++) text += ALPHABET[(group >> (18 - 6 * digit)) & 63]
  }
  return text
}

/** The bytes that base64url without padding stands for; undefined unless it is the one spelling that they have. */
export function fromBase64url(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1) return undefined
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let bits = 0
  let held = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text.charCodeAt(i)]
    if (value === undefined) return undefined
    bits = (bits << 6) | value
    held += 6
    if (held >= 8) {
      held -= 8
      bytes[at++] = bits >> held
      bits &= (1 << held) - 1
    }
  }
  return bits === 0 ? bytes : undefined
}

/** Like `fromBase64url`, for senders that write the alphabet of RFC 4648 §4 or padding all the same. */
export function fromAnyBase64(text: string): Uint8Array | undefined {
  const padding = text.indexOf('=')
  if (padding >= 0 && (text.length % 4 !== 0 || !/^={1,2}$/.test(text.slice(padding)))) return undefined
  const digits = padding < 0 ? text : text.slice(0, padding)
  return fromBase64url(digits.replaceAll('+', '-').replaceAll('/', '_'))
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const VALUES: readonly (number | undefined)[] = Array.from({ length: 128 }, (_, code) => {
  const value = ALPHABET.indexOf(String.fromCharCode(code))
  return value < 0 ? undefined : value
})
