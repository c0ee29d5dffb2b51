import type { Name } from '#src/x509/index.js'

/** A name as RFC 4514 §2 writes it: most specific attribute first, types of its table by their short names, others in
 *  dots. */
export function rfc4514(name: Name): string {
  return [...name.rdns]
    .reverse()
    .map(rdn => rdn.map(({ type, value }) => `${SHORT_NAMES[type] ?? type}=${escaped(value)}`).join('+'))
    .join(',')
}

/** RFC 4514 §3. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
}

function escaped(value: string): string {
  return value.replace(/[\\,+"<>;]|^[ #]| $/g, character => `\\${character}`)
}
