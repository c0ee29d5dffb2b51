import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ControlKind } from '#src/attestation/hardened/control-message.js'
import { AttestationError } from '#src/attestation/index.js'
import { AlertDescription, AlertReceived } from '#src/handshake/index.js'
import { NOW } from '../../support/pair.js'
import { datagramPair, longAttester } from '../datagram-support.js'
import { bareKeys, type EndOptions, FakeAttester, FakeVerifier, type Side } from '../support.js'
import { type Attesting, alterControl } from './support.js'

/** Both ends of a connection under the profile `hardened`, with Evidence of many datagrams. */
function endsOf(
  attesting: Attesting,
  changes: Partial<Record<Side, Partial<EndOptions>>> = {},
): Readonly<Record<Side, EndOptions>> {
  const end = (side: Side): EndOptions => {
    const attests = attesting === 'both' || attesting === side
    const demands = attesting === 'both' || attesting !== side
    return {
      hasCertificate: side === 'server' || attests,
      ...changes[side],
      attestation: {
        profile: 'hardened',
        ...(attests && { attester: longAttester() }),
        ...(demands && { verifier: new FakeVerifier({ expiresAt: null }) }),
        ...changes[side]?.attestation,
      },
    }
  }
  return { client: end('client'), server: end('server') }
}

type Made = ReturnType<typeof datagramPair>

function assertOpen({ pair }: Made): void {
  for (const { connection, error, side } of [pair.client, pair.server]) {
    assert.equal(error, undefined, `${side}: ${error?.message}`)
    assert.equal(connection.state, 'open')
  }
}

async function assertCarries(made: Made): Promise<void> {
  const { pair } = made
  pair.network = {}
  pair.write('client', 'data of the client')
  pair.write('server', 'data of the server')
  await pair.settle()
  assert.equal(pair.client.messages.at(-1), 'data of the server')
  assert.equal(pair.server.messages.at(-1), 'data of the client')
}

const codeOf = (error: unknown) => (error instanceof AttestationError ? error.code : undefined)

describe('the profile hardened over DTLS', () => {
  for (const attesting of ['server', 'client', 'both'] as const) {
    for (const loss of [0, 0.2]) {
      test(`binds to the session where ${attesting} attest, at ${loss * 100} % loss`, async () => {
        for (let seed = 1; seed <= 4; seed++) {
          const made = datagramPair(endsOf(attesting), { seed, loss, reordering: loss, duplication: loss })
          await made.pair.run()
          assertOpen(made)
          for (const side of ['client', 'server'] as const) {
            const peerAttests = attesting === 'both' || attesting !== side
            assert.equal(made[side]?.bindingLevel, peerAttests ? 3 : 0)
            assert.equal(made[side]?.rounds, peerAttests ? 1 : 0)
            assert.equal(made[side]?.own.bindingLevel, attesting === 'both' || attesting === side ? 3 : 0)
          }
          await assertCarries(made)
        }
      })
    }
  }

  test('in compound mode, and in batches', async () => {
    const attestation = { attester: longAttester(), identityKey: bareKeys.server, batch: { members: 1 } }
    const made = datagramPair(endsOf('server', { server: { attestation } }))
    await made.pair.run()
    assertOpen(made)
    assert.equal(made.client?.bindingLevel, 3)
  })

  test('drops data that has overtaken the acceptance, and goes on when that comes again', async () => {
    let isAccepted = false
    let lost = 0
    const watch = alterControl(message => {
      isAccepted ||= message.kind === ControlKind.accept
      return [message]
    })
    const made = datagramPair(endsOf('server', { client: { alterPlug: watch } }), {
      intercept(datagram, from) {
        if (from !== 'client' || !isAccepted || lost > 0) return [datagram]
        lost++
        // The client believes that all is well, and speaks.
        made.pair.after(1, () => made.pair.write('client', 'early'))
        return []
      },
    })
    await made.pair.run()
    assert.equal(lost, 1)
    assertOpen(made)
    assert.deepEqual(made.pair.server.messages, [])
    await assertCarries(made)
    assert.deepEqual(made.pair.server.messages, ['data of the client'])
  })

  test('lets nobody in on Evidence of the handshake alone', async () => {
    const hold = alterControl(() => [])
    const made = datagramPair(endsOf('server', { server: { alterPlug: hold } }))
    await made.pair.run()
    const { client } = made.pair
    assert.equal(client.connection.state, 'handshake')
    assert.equal(made.client?.isAttested, false)
    made.timers.client.fire()
    await made.pair.settle()
    assert.equal(codeOf(client.error), 'ERR_ATTESTATION_TIMEOUT')
    assert.equal(client.connection.state, 'closed')
  })

  test('refuses a peer that is found wanting after the handshake, and tells it', async () => {
    const [good, bad] = [new FakeAttester(), new FakeAttester({ measurement: 'bad' })]
    let count = 0
    const attester = new FakeAttester()
    attester.evidence = request => (count++ === 0 ? good : bad).evidence(request)
    const made = datagramPair(endsOf('server', { server: { attestation: { attester } } }))
    await made.pair.run()
    assert.equal(codeOf(made.pair.client.error), 'ERR_ATTESTATION_REFUSED')
    const { error } = made.pair.server
    assert.ok(error instanceof AlertReceived)
    assert.equal(error.alert, AlertDescription.access_denied)
    assert.equal(made.client?.isAttested, false)
  })

  for (const side of ['client', 'server'] as const) {
    test(`refuses a ${side} that speaks only the draft`, async () => {
      const ends = endsOf('server')
      const { profile: _, ...draft } = ends[side].attestation ?? {}
      const made = datagramPair({ ...ends, [side]: { ...ends[side], attestation: draft } })
      await made.pair.run()
      const refusing = side === 'client' ? 'server' : 'client'
      assert.equal(codeOf(made.pair[refusing].error), 'ERR_ATTESTATION_NEGOTIATION')
    })
  }
})

describe('a renewal over DTLS', () => {
  /** A pair on which time passes. */
  async function renewing(attesting: Attesting, changes: Parameters<typeof endsOf>[1] = {}) {
    const clock = { now: NOW }
    const now = () => clock.now
    const made = datagramPair(
      endsOf(attesting, { client: { now, ...changes.client }, server: { now, ...changes.server } }),
    )
    await made.pair.run()
    assertOpen(made)
    return { ...made, clock }
  }

  for (const attesting of ['server', 'client', 'both'] as const) {
    test(`comes through loss where ${attesting} attest, and lets data pass`, async () => {
      for (let seed = 1; seed <= 3; seed++) {
        const made = await renewing(attesting)
        const { pair, clock, attested } = made
        for (let round = 2; round <= 4; round++) {
          clock.now += 20_000
          pair.network = { seed, loss: 0.2, reordering: 0.2, duplication: 0.1 }
          if (attesting !== 'client') attested.client?.renew()
          if (attesting !== 'server') attested.server?.renew()
          await pair.settle()
          assertOpen(made)
          if (attesting !== 'client') assert.equal(made.client?.rounds, round)
          if (attesting !== 'server') assert.equal(made.server?.rounds, round)
          await assertCarries(made)
        }
      }
    })
  }

  test('that finds something else ends the connection', async () => {
    const attester = new FakeAttester()
    let current = new FakeAttester()
    attester.evidence = request => current.evidence(request)
    const made = await renewing('server', { server: { attestation: { attester } } })
    current = new FakeAttester({ measurement: 'bad' })
    made.clock.now += 20_000
    made.attested.client?.renew()
    await made.pair.settle()
    assert.equal(codeOf(made.pair.client.error), 'ERR_ATTESTATION_REFUSED')
    assert.equal(made.client?.isAttested, false)
  })

  test('that never comes ends the connection', async () => {
    const made = await renewing('server')
    made.pair.network = { intercept: (datagram, from) => (from === 'server' ? [] : [datagram]) }
    made.clock.now += 20_000
    made.attested.client?.renew()
    await made.pair.settle()
    made.timers.client.fire()
    await made.pair.settle()
    assert.ok(made.pair.client.error)
    assert.equal(made.pair.client.connection.state, 'closed')
  })
})
