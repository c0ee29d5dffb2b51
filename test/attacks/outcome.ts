import assert from 'node:assert/strict'
import { AlertReceived, alertName, MisuseError } from '#src/handshake/index.js'
import type { Pair, Side } from '../attestation/support.js'
import { alertOf } from '../support/pair.js'

/** What comes of an attack. */
export type Outcome =
  /** It is refused: the connection is over, nothing was believed or given away. */
  | { readonly is: 'refused'; readonly by: Side; readonly alert: string; readonly code: string }
  /** The victim goes on waiting, until its application does not: over datagrams what cannot be opened is dropped. */
  | { readonly is: 'lost'; readonly by: Side }
  /** The configuration that would be open to it is refused before anything is sent. */
  | { readonly is: 'not set up'; readonly code: string }
  /** It works, and the connection says how little its attestation is worth. */
  | { readonly is: 'works'; readonly level: number }
  /** What the attacker does has no effect: the connection is what it would have been. */
  | { readonly is: 'harmless'; readonly level: number }
  /** It costs us no more than what was set. */
  | { readonly is: 'bounded'; readonly code: string }

export const refused = (code: string, alert: string, by: Side = 'client'): Outcome => ({
  is: 'refused',
  by,
  alert,
  code,
})
export const works = (level: number): Outcome => ({ is: 'works', level })
export const harmless = (level: number): Outcome => ({ is: 'harmless', level })

/** What came of an attack that was one connection.
 *  @param victim the side that is to be deceived
 *  @param hasOpened whether the attack began when data had passed already */
export function outcomeOf(pair: Pair, victim: Side = 'client', hasOpened = false): Outcome {
  const attacker = other(victim)
  const complaint = (side: Side) => {
    const { error } = pair[side]
    return error && !(error instanceof AlertReceived) ? error : undefined
  }
  if (!complaint(victim) && pair[victim].connection.state === 'handshake') {
    assert.equal(pair[victim].data + pair[attacker].data, '')
    return { is: 'lost', by: victim }
  }
  const by = complaint(victim) ? victim : complaint(attacker) ? attacker : undefined
  if (!by) {
    for (const side of [victim, attacker]) assert.equal(pair[side].error, undefined, 'an alert came from nowhere')
    assert.equal(pair[victim].status?.isAttested, true, 'the victim neither refuses nor believes')
    assert.ok(pair[attacker].data.startsWith(`data of the ${victim}`))
    return works(pair[victim].status?.bindingLevel ?? 0)
  }
  const error = complaint(by)
  const told = pair[other(by)].error
  if (told instanceof AlertReceived)
    assert.equal(alertName(told.alert), alertOf(error), 'the peer was told something else')
  assert.equal(pair[by].status?.isAttested ?? false, false, 'refused, and attested all the same')
  if (!hasOpened) {
    assert.equal(pair[by].data, '', 'data of the refused reached the application')
    assert.equal(pair[other(by)].data, '', 'data went to the refused')
  }
  const code = error && 'code' in error ? String(error.code) : ''
  return { is: 'refused', by, alert: alertOf(error) ?? '', code }
}

/** What came of it where it should have made no difference. */
export function effectOf(pair: Pair, victim: Side = 'client', hasOpened = false): Outcome {
  const outcome = outcomeOf(pair, victim, hasOpened)
  return outcome.is === 'works' ? harmless(outcome.level) : outcome
}

/** What came of it where it should not have got as far as a connection. */
export async function notSetUp(connect: () => Promise<Pair>): Promise<Outcome> {
  try {
    return outcomeOf(await connect())
  } catch (error) {
    if (error instanceof MisuseError) return { is: 'not set up', code: error.code }
    throw error
  }
}

/** Nothing of the attack is left: the honest pair gets on. */
export function assertControl(pair: Pair, level?: number): Pair {
  for (const side of ['client', 'server'] as const) {
    assert.equal(pair[side].error, undefined, `control: ${pair[side].error?.message}`)
    assert.equal(pair[side].data, `data of the ${other(side)}`)
  }
  if (level !== undefined) {
    const levels = [pair.client, pair.server].flatMap(({ status }) => (status?.isAttested ? [status.bindingLevel] : []))
    assert.ok(levels.length > 0, 'control: nobody is attested')
    assert.ok(
      levels.every(found => found === level),
      'control: the connection reports another level',
    )
  }
  return pair
}

export function other(side: Side): Side {
  return side === 'client' ? 'server' : 'client'
}
