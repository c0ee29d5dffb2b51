import assert from 'node:assert/strict'
import { systemEntropy } from '#src/crypto/index.js'
import { type Message, TicketIssuer } from '#src/handshake/index.js'
import type { Hooks } from './interceptor.js'
import { alertOf, always, credentialFor, makePair, type Pair, type PairOptions, type Side } from './pair.js'

/*
 * A peer that follows the protocol until a hook makes it misbehave, and what the other side answers.
 */

/** Handshakes in which every message there is passes once. */
export const kinds = {
  /** HelloRetryRequest, both sides with certificates, a ticket. Ed25519, whose signatures are all of one length. */
  everything: () => ({
    client: {
      credentials: always(credentialFor('client', 'ed25519')),
      groups: [0x1d, 0x17],
      keyShareGroups: [0x1d],
      alpn: ['h2'],
      recordSizeLimit: 2 ** 14,
      asksForOcsp: true,
    },
    server: {
      credentials: always(credentialFor('localhost', 'ed25519')),
      groups: [0x17],
      clientAuthentication: 'required',
      tickets: new TicketIssuer(systemEntropy, { count: 1 }),
      alpn: ['h2'],
      recordSizeLimit: 2 ** 14,
    },
  }),
  plain: () => ({}),
} satisfies Record<string, () => PairOptions>

/** What `from` sends, in order, in an honest handshake. */
export function messagesOf(from: Side, options: PairOptions): readonly Message[] {
  const messages: Message[] = []
  const pair = makePair({
    ...options,
    intercept: {
      [from]: {
        message(message: Message) {
          messages.push({ ...message, raw: Uint8Array.from(message.raw), body: Uint8Array.from(message.body) })
          return undefined
        },
      },
    },
  })
  pair.runAtOnce()
  assert.equal(pair.client.error ?? pair.server.error, undefined)
  return messages
}

/** Runs a handshake in which `from` misbehaves. Whatever happens, nothing is thrown, nobody is left waiting with an
 *  error unsaid, and no alert says that it was our own mistake. */
export function misbehave(from: Side, hooks: Hooks, options: PairOptions = {}): Pair {
  const pair = makePair({ ...options, intercept: { [from]: hooks } })
  pair.runAtOnce()
  for (const end of [pair.client, pair.server]) {
    assert.ok(!end.alerts.includes('internal_error'), end.error?.stack)
    assert.ok(end.events.filter(({ type }) => type === 'error').length <= 1)
    if (end.error) {
      assert.equal(end.connection.state, 'closed')
      assert.equal(end.events.at(-1)?.type, 'error')
    }
  }
  return pair
}

/** The alert with which the victim ended the connection.  @throws AssertionError if it did not */
export function alertAgainst(from: Side, hooks: Hooks, options: PairOptions = {}): string | undefined {
  const pair = misbehave(from, hooks, options)
  const victim = from === 'client' ? pair.server : pair.client
  assert.equal(victim.connection.state, 'closed', 'the victim goes on')
  assert.equal(victim.received.length, 0)
  assert.deepEqual(victim.alerts, [alertOf(victim.error)], victim.error?.message)
  // Further input changes nothing, and nothing more is said.
  victim.connection.receive(Uint8Array.of(23, 3, 3, 0, 1, 0))
  victim.connection.receiveEnd()
  assert.deepEqual(victim.connection.takeOutput(), [])
  assert.equal(victim.connection.nextEvent(), undefined)
  return victim.alerts[0]
}

/** Hooks that replace the `index`-th message. */
export function replacing(index: number, instead: (message: Message) => readonly Uint8Array[]): Hooks {
  let count = 0
  return {
    message(message) {
      return count++ === index ? instead(message) : undefined
    },
  }
}

/** A handshake message of any type and body. */
export function rawMessage(type: number, body: Uint8Array, length = body.length): Uint8Array {
  const raw = new Uint8Array(4 + body.length)
  raw.set([type, length >>> 16, length >>> 8, length])
  raw.set(body, 4)
  return raw
}
