import { isDeepStrictEqual } from 'node:util'
import { utf8 } from '#src/bytes/index.js'
import { AlertDescription, HandshakeType, type Message, ProtocolError } from '#src/handshake/index.js'
import type { Sealer } from '../../test/support/interceptor.js'
import { type End, makePair, type Pair } from '../../test/support/pair.js'
import { checkSentence, gist, type Target, Violation } from '../target.js'
import { decodeCase, type HandshakeCase, overCases, randomOf } from './case.js'
import { edits } from './edits.js'
import { honest, pairs } from './pairs.js'

const NAMES = Object.keys(pairs)

/** TLS connections in which one side deviates behind its own back: what it sends is changed before it is sealed. */
export const streams: Target = {
  name: 'handshake:tls',
  weight: 20,
  ...overCases(NAMES),
  async run(input) {
    const value = decodeCase(input, NAMES)
    if (!value) return 'no case'
    const donors = (await Promise.all([...new Set([value.pair, 'everything', 'plain'])].map(honest))).flat()
    const pair = await deviating(value, donors)
    if (!pair) return 'out of sight'
    await exchange(pair)
    for (const end of [pair.client, pair.server]) checkEnd(end)
    checkAgreement(pair)
    const victim = value.from === 'client' ? pair.server : pair.client
    if (value.edits.length === 0 && victim.connection.state !== 'open') {
      throw new Violation(`nothing was changed, and yet: ${victim.error?.message}`)
    }
    checkClosed(victim)
    return `${value.pair} ${value.from}: ${victim.error ? gist(victim.error) : victim.connection.state}`
  },
}

/** @returns undefined where it cannot be followed what the side that is changed sends */
async function deviating({ pair: name, from, edits: planned }: HandshakeCase, donors: readonly Message[]) {
  const options = await pairs[name]?.()
  let count = 0
  const pair = makePair({
    ...options,
    intercept: {
      [from]: {
        message(message: Message, seal: Sealer) {
          const edit = planned.find(({ at }) => at === count)
          count++
          const change = edit && edits[edit.change]
          if (!edit || !change) return undefined
          return change(message, { random: randomOf(edit), donors, seal: hasKeys(message) ? seal : undefined })
        },
      },
    },
  })
  try {
    pair.server.connection.start()
    pair.client.connection.start()
    pair.client.connection.writeEarlyData(utf8('early'))
    await pair.settle()
    return pair
  } catch (error) {
    // The two may come to have other keys than they have logged.
    if (error instanceof ProtocolError && error.stack?.includes('interceptor')) return undefined
    if (error instanceof Error && error.message === 'there are no keys to seal with') return undefined
    throw error
  }
}

/** Whether what comes before such a message is protected. */
function hasKeys({ type }: Message): boolean {
  return type !== HandshakeType.client_hello && type !== HandshakeType.server_hello
}

/** Data and new keys, both ways, where the connection is open. */
async function exchange(pair: Pair): Promise<void> {
  try {
    for (const { connection } of [pair.client, pair.server]) {
      if (connection.state !== 'open') continue
      connection.write(utf8('data'))
      connection.updateKeys(true)
      connection.write(utf8('more'))
    }
    await pair.settle()
  } catch (error) {
    if (!(error instanceof ProtocolError && error.stack?.includes('interceptor'))) throw error
  }
}

function checkEnd({ side, events, alerts, error, connection, received }: End): void {
  const errors = events.filter(({ type }) => type === 'error')
  if (errors.length > 1) throw new Violation(`the ${side} fails ${errors.length} times`)
  const fatal = alerts.filter(name => name !== 'close_notify' && name !== 'user_canceled')
  if (fatal.length > 1) throw new Violation(`the ${side} sends ${fatal.length} alerts: ${fatal.join(', ')}`)
  if (fatal.includes('internal_error')) {
    throw new Violation(`the ${side} blames itself: ${error?.stack ?? 'for nothing'}`)
  }
  for (const name of fatal) {
    const isKnown = name in AlertDescription || /^alert_\d+$/.test(name)
    if (!isKnown) throw new Violation(`the ${side} sends an alert that nobody knows: ${name}`)
  }
  const hasBeenOpen = events.some(({ type }) => type === 'established')
  if (error) {
    checkSentence(error)
    if (events.at(-1)?.type !== 'error') throw new Violation(`the ${side} goes on after its error`)
    if (connection.state !== 'closed') throw new Violation(`the ${side} has failed, and is ${connection.state}`)
  }
  if (received.length > 0 && !hasBeenOpen) throw new Violation(`the ${side} has read data before it was open`)
  if (connection.state === 'open' && !hasBeenOpen) throw new Violation(`the ${side} is open, and says so to nobody`)
}

/** Two that both believe in their connection believe in the same one. */
function checkAgreement({ client, server }: Pair): void {
  const [a, b] = [client, server].map(({ connection }) => connection.established)
  if (!a || !b) return
  const seen = [a, b].map(({ suite, alpn, group, isResumed, exporter }) => ({
    suite: suite.id,
    alpn,
    group,
    isResumed,
    exported: Buffer.from(exporter.derive('EXPORTER-fuzz', new Uint8Array(0), 32)).toString('hex'),
  }))
  if (!isDeepStrictEqual(seen[0], seen[1])) throw new Violation('both are connected, to different ends')
}

/** What has ended says nothing more, whatever comes. */
function checkClosed({ connection, side }: End): void {
  if (connection.state !== 'closed') return
  connection.receive(Uint8Array.of(23, 3, 3, 0, 1, 0))
  connection.receive(Uint8Array.of(22, 3, 3, 0, 4, 1, 0, 0, 0))
  connection.receiveEnd()
  if (connection.takeOutput().length > 0 || connection.nextEvent()) {
    throw new Violation(`the ${side} is closed, and answers`)
  }
}
