import { parseArgs } from 'node:util'
import { catalogue } from './catalogue.js'
import { attemptsOf, play } from './row.js'
import { TRANSPORTS } from './stage.js'
import { isAsDue, type Line, linesOf, markdown, type Played } from './table.js'

/* `npm run attacks`: plays every attack and says what came of it. */

const { values: options } = parseArgs({
  options: {
    markdown: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    row: { type: 'string', multiple: true, default: [] },
    over: { type: 'string', multiple: true, default: [] },
  },
})

const rows = catalogue.filter(({ row }) => options.row.length === 0 || options.row.includes(String(row)))
const transports = TRANSPORTS.filter(transport => options.over.length === 0 || options.over.includes(transport))
const played: Played[] = []
for (const attempt of attemptsOf(rows, transports)) {
  try {
    played.push({ attempt, seen: await play(attempt) })
  } catch (error) {
    played.push({ attempt, seen: error instanceof Error ? error : new Error(String(error)) })
  }
}

if (options.markdown) {
  process.stdout.write(`${markdown(rows, played)}\n`)
} else if (options.json) {
  const wrong = linesOf(played).filter(line => !line.isAsDue)
  process.stdout.write(
    JSON.stringify(wrong.map(({ row, attack, profiles, seen }) => ({ row, attack, profiles, seen }))),
  )
} else {
  for (const line of linesOf(played)) process.stdout.write(`${textOf(line)}\n`)
  const wrong = played.filter(one => !isAsDue(one)).length
  process.stdout.write(`\n${played.length - wrong} attacks came to what is due, ${wrong} did not\n`)
}
if (!played.every(isAsDue)) process.exitCode = 1

function textOf({ row, attack, profiles, over, due, seen, by, alert, code, isAsDue }: Line): string {
  const marks = isAsDue ? seen : `${due} due, ${seen} seen`
  const where = `${profiles.join(' ')}${over.length === TRANSPORTS.length ? '' : ` over ${over.join(' ')}`}`
  const what = [by, alert, code].filter(part => part !== '').join(', ')
  return `${isAsDue ? ' ' : '✗'} ${String(row).padStart(2)}  ${marks.padEnd(3)} ${where.padEnd(12)} ${attack}${what ? `\n            ${what}` : ''}`
}
