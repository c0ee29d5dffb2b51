/** Text of somebody else's, to be told to people: without what would steer the terminal that it is shown on, and not without
 *  end. */
export function printable(text: string): string {
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
  return shown.replace(/\p{C}/gu, '?')
}

const LONGEST = 1000
