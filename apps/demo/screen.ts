import type { TraceEvent } from 'attested-tls/attestation'

/** Whether there is somebody who sees colours: a terminal, unless it is asked for none (https://no-color.org). */
export const hasColour = process.stdout.isTTY === true && !process.env.NO_COLOR

const paint = (code: number) => (text: string) => (hasColour ? `\x1b[${code}m${text}\x1b[0m` : text)
export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)
export const yellow = paint(33)

/** Prints a line, or an empty one. */
export function say(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** The title of an act. */
export function title(text: string): void {
  say()
  say(bold(text))
  say(dim('─'.repeat(text.length)))
}

/** Prints a handshake message as it passes the client, with what it says about attestation. */
export function showMessage({ direction, message, length, fields }: TraceEvent): void {
  const arrow = direction === 'sent' ? 'client ──▶ server' : 'client ◀── server'
  say(`  ${dim(arrow)}  ${message} ${dim(`(${length} bytes)`)}`)
  for (const { name, value } of fields) {
    say(`${MARGIN}${green(name)}`)
    for (const line of lines(value)) say(`${MARGIN}  ${line}`)
  }
}
const MARGIN = ' '.repeat(21)

/** A list, an item a line: media types are long. */
function lines(value: string): readonly string[] {
  return value.split(/(?<=[,;]) (?=\S+\/|nonce|\d+ bytes)/)
}

/** A text, indented by two spaces. */
export function indented(text: string): string {
  return text.trimEnd().replaceAll(/^(?=.)/gm, '  ')
}
