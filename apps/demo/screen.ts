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
  for (const { name, values } of fields) {
    const [first = '', ...others] = values
    if (others.length === 0) {
      say(`${MARGIN}${green(name)}  ${first}`)
      continue
    }
    say(`${MARGIN}${green(name)}`)
    for (const value of values) say(`${MARGIN}  ${value}`)
  }
}
// Media types are long: indented no further, they fit into 100 columns.
const MARGIN = ' '.repeat(6)

/** A text, indented by two spaces. */
export function indented(text: string): string {
  return text.trimEnd().replaceAll(/^(?=.)/gm, '  ')
}

/** A sentence, in lines that stay within 100 columns when they are indented. */
export function wrapped(sentence: string): string {
  const lines: string[] = []
  for (const word of sentence.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= COLUMNS) lines.splice(-1, 1, `${last} ${word}`)
    else lines.push(word)
  }
  return lines.join('\n')
}
const COLUMNS = 98
