import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { ControlKind, type ControlMessage } from '#src/attestation/hardened/control-message.js'
import type { AttestationOptions } from '#src/attestation/index.js'
import { MisuseError, type Plug } from '#src/handshake/index.js'
import type { Cmw } from '#src/rats/index.js'
import { alterControl, alterSession, hardenedEnd, withAttestation } from '../attestation/hardened/support.js'
import { alterAnswer, alterOffer } from '../attestation/hostile.js'
import { bareKeys, connect, type EndOptions, type Pair, settle } from '../attestation/support.js'
import { alertOf } from '../support/pair.js'
import { deferred } from '../support/plug.js'
import { attesterOf, NOON } from '../support/simulated.js'
import { assertControl, assertRefused, changedVerifier, fetchEvidence, honestServer, victim } from './support.js'

/*
 * What a peer can do wrong under the profile hardened beyond relaying: security.md E.11, rows 12, 13, 23, 24, 27, 33, 34,
 * 36, 38 to 45, 51, 55. Each attacker is our own stack, wrong in one place.
 */

const { request, authenticator, accept } = ControlKind
const serverAttests = (changes: Partial<EndOptions> = {}) => hardenedEnd('server', 'server', changes)
const clientDemands = (changes: Partial<EndOptions> = {}) => hardenedEnd('client', 'server', changes)

test('control: the honest pairs get on', async () => {
  await assertControl(clientDemands(), serverAttests())
  await assertControl(hardenedEnd('client', 'both'), hardenedEnd('server', 'both'))
  await assertControl(hardenedEnd('client', 'client'), hardenedEnd('server', 'client'))
})

describe('rows 12 and 13: the Verifier is lax about the challenge', () => {
  const wrong: readonly [name: string, challenge: (real: Uint8Array) => Uint8Array | null][] = [
    ['none at all', () => null],
    ['an empty one', () => new Uint8Array()],
    ['a prefix', real => real.subarray(0, 31)],
    ['a longer one', real => Uint8Array.of(...real, 0)],
    ['zeros', real => new Uint8Array(real.length)],
    ['one bit less', real => real.map((byte, i) => (i === real.length - 1 ? byte ^ 1 : byte))],
  ]
  for (const at of [0, 1]) {
    for (const [name, change] of wrong) {
      test(`${at === 0 ? 'in' : 'after'} the handshake: ${name}`, async () => {
        let count = 0
        const lax = changedVerifier(result =>
          count++ === at && result.challenge ? { ...result, challenge: change(result.challenge) } : result,
        )
        const pair = await connect(withAttestation(clientDemands(), { verifier: lax }), serverAttests())
        assertRefused(pair, 'client', 'ERR_ATTESTATION_CHALLENGE_MISMATCH', 'bad_certificate')
      })
    }
  }
})

describe('rows 23 and 24: the profile is stripped', () => {
  const strip = <T extends { readonly extensions: readonly { readonly type: number }[] }>(
    made: T,
    type: number,
  ): T => ({
    ...made,
    extensions: made.extensions.filter(extension => extension.type !== type),
  })
  test('from the ClientHello', async () => {
    const stripped = clientDemands({ alterPlug: alterOffer(offer => strip(offer, 0xffa1)) })
    assertRefused(
      await connect(stripped, serverAttests()),
      'server',
      'ERR_ATTESTATION_NEGOTIATION',
      'missing_extension',
    )
  })
  test('from EncryptedExtensions', async () => {
    const stripped = serverAttests({ alterPlug: alterAnswer(answer => strip(answer, 0xffa1)) })
    assertRefused(
      await connect(clientDemands(), stripped),
      'client',
      'ERR_ATTESTATION_NEGOTIATION',
      'missing_extension',
    )
  })
  test('the server echoes it, and does not attest', async () => {
    const stripped = serverAttests({ alterPlug: alterAnswer(answer => strip(answer, 0xff80)) })
    assertRefused(await connect(clientDemands(), stripped), 'client', 'ERR_ATTESTATION_PEER_NOT_ATTESTED')
  })
  test('another version is selected', async () => {
    const other = serverAttests({
      alterPlug: alterAnswer(answer => ({
        ...answer,
        extensions: answer.extensions.map(extension =>
          extension.type === 0xffa1 ? { type: 0xffa1, data: Uint8Array.of(2, 1, 0, 0) } : extension,
        ),
      })),
    })
    assertRefused(await connect(clientDemands(), other), 'client', 'ERR_ATTESTATION_NEGOTIATION', 'illegal_parameter')
  })
})

describe('row 27: nonces that are too short, or known', () => {
  for (const [name, nonce] of [
    ['short', () => new Uint8Array(31).fill(7)],
    ['zero', () => new Uint8Array(32)],
    ['the same again', () => new Uint8Array(32).fill(7)],
  ] as const) {
    test(`our own Verifier's is ${name}`, async () => {
      const weak = changedVerifier(result => result, nonce)
      const pair = await connect(withAttestation(clientDemands(), { verifier: weak }), serverAttests())
      assertRefused(pair, 'client', 'ERR_ATTESTATION_VERIFIER_FAILED')
    })
  }
  test('the peer’s is short', async () => {
    const short = clientDemands({
      alterPlug: alterOffer(offer => ({
        ...offer,
        extensions: offer.extensions.map(({ type, data }) => {
          if (type !== 0xff80) return { type, data }
          // EvidenceTypes, then the nonce behind its length.
          const at = 1 + (data[0] ?? 0)
          return { type, data: Uint8Array.of(...data.subarray(0, at), 31, ...data.subarray(at + 1, at + 32)) }
        }),
      })),
    })
    assertRefused(await connect(short, serverAttests()), 'server', 'ERR_ATTESTATION_NEGOTIATION', 'illegal_parameter')
  })
})

describe('row 33: application data before the gate is open', () => {
  for (const early of ['client', 'server'] as const) {
    test(`of the ${early}`, async () => {
      // It opens its own gate first, and says what it has to say after the handshake never.
      const rash = hardenedEnd(early, 'both', {
        alterPlug: plug => {
          const { control } = plug
          assert.ok(control)
          return {
            ...plug,
            control: {
              ...control,
              *run(session) {
                session.openGate()
                yield* control.run(session)
              },
            },
          }
        },
      })
      const late = early === 'client' ? 'server' : 'client'
      const honest = hardenedEnd(late, 'both')
      const pair = early === 'client' ? await connect(rash, honest) : await connect(honest, rash)
      assertRefused(pair, late, 'ERR_TLS_UNEXPECTED_MESSAGE', 'unexpected_message')
    })
  }
})

describe('rows 34 and 35: a peer gives back what is ours', () => {
  test('our own Evidence, under its own key', async () => {
    const { promise: ours, resolve } = deferred<Cmw>()
    const [honest, mirror] = [attesterOf(), attesterOf()]
    const [make, makeOwn] = [honest.evidence.bind(honest), mirror.evidence.bind(mirror)]
    let [honestCount, mirrorCount] = [0, 0]
    honest.evidence = async asked => {
      const evidence = await make(asked)
      if (++honestCount === 2) resolve(evidence)
      return evidence
    }
    mirror.evidence = asked => (++mirrorCount === 2 ? ours : makeOwn(asked))
    const pair = await connect(
      withAttestation(hardenedEnd('client', 'both'), { attester: mirror }),
      withAttestation(hardenedEnd('server', 'both'), { attester: honest }),
    )
    assertRefused(pair, 'server', 'ERR_ATTESTATION_KEY_MISMATCH', 'illegal_parameter')
  })

  test('our own authenticator, byte for byte', async () => {
    const mirror = await mirrored(message => message)
    assert.equal(alertOf(mirror.server.error), 'decrypt_error')
    assert.equal(mirror.server.data, '')
  })
})

/** A client that answers the server's request with the server's own authenticator. */
async function mirrored(change: (message: ControlMessage) => ControlMessage): Promise<Pair> {
  let ours: ControlMessage | undefined
  const server = hardenedEnd('server', 'both', {
    alterPlug: alterControl(message => {
      if (message.kind === authenticator) ours = message
      return [message]
    }),
  })
  // The server answers first, because the client's request is with it before the server's own is answered.
  const client = hardenedEnd('client', 'both', {
    alterPlug: alterControl(message => (message.kind === authenticator && ours ? [change(ours)] : [message])),
  })
  return connect(client, server)
}

describe('rows 36, 38 to 41: authenticators that are wrong', () => {
  test('made in the other role', async () => {
    const swapped = serverAttests({ alterPlug: alterSession(session => ({ ...session, side: 'client' })) })
    const pair = await connect(clientDemands(), swapped)
    assert.ok(pair.client.error ?? pair.server.error)
    assert.equal(pair.client.status?.isAttested, false)
    assert.equal(pair.client.data + pair.server.data, '')
  })

  test('of another connection of the same peers', async () => {
    let earlier: ControlMessage | undefined
    const keep = alterControl(message => {
      earlier ??= message.kind === authenticator ? message : undefined
      return [message]
    })
    await assertControl(clientDemands(), serverAttests({ alterPlug: keep }))
    const replay = alterControl(message => (message.kind === authenticator && earlier ? [earlier] : [message]))
    const pair = await connect(clientDemands(), serverAttests({ alterPlug: replay }))
    assertRefused(pair, 'client', 'ERR_TLS_DECRYPT_ERROR', 'decrypt_error')
  })

  test('unasked', async () => {
    const eager = serverAttests({
      alterPlug: alterControl(message => (message.kind === authenticator ? [message, message] : [message])),
    })
    const pair = await connect(clientDemands(), eager)
    assert.equal(alertOf(pair.client.error), 'unexpected_message')
  })

  test('under another number', async () => {
    const other = alterControl(message => [message.kind === authenticator ? { ...message, seq: 1 } : message])
    const pair = await connect(clientDemands(), serverAttests({ alterPlug: other }))
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', 'unexpected_message')
  })

  for (const [name, change] of [
    ['cut short', (body: Uint8Array) => body.subarray(0, -1)],
    ['with something behind it', (body: Uint8Array) => Uint8Array.of(...body, 0)],
    ['with another signature', (body: Uint8Array) => body.map((byte, i) => (i === body.length - 50 ? byte ^ 1 : byte))],
    ['with another Finished', (body: Uint8Array) => body.map((byte, i) => (i === body.length - 1 ? byte ^ 1 : byte))],
  ] as const) {
    test(name, async () => {
      const tampered = alterControl(message => [
        message.kind === authenticator ? { ...message, body: change(message.body) } : message,
      ])
      const pair = await connect(clientDemands(), serverAttests({ alterPlug: tampered }))
      assertRefused(pair, 'client', undefined, name.startsWith('with another') ? 'decrypt_error' : 'decode_error')
    })
  }

  test('of a kind that there is not, or in a direction where there is none', async () => {
    for (const kind of [0, 5]) {
      const unknown = alterSession(session => ({
        ...session,
        send: body => session.send(Uint8Array.of(kind, ...body.subarray(1))),
      }))
      const pair = await connect(clientDemands(), serverAttests({ alterPlug: unknown }))
      assertRefused(pair, 'client', undefined, 'decode_error')
    }
    const asking = alterControl(message => [message.kind === authenticator ? { ...message, kind: request } : message])
    const pair = await connect(clientDemands(), serverAttests({ alterPlug: asking }))
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', 'unexpected_message')
  })
})

describe('rows 42 and 44: renewals out of order, refused or in a flood', () => {
  /** A pair that renews when told, with what the server sends changed. */
  async function renewing(alterServer: (plug: Plug) => Plug, alterClient?: (plug: Plug) => Plug) {
    const clock = { now: NOON }
    const now = () => clock.now
    const pair = await assertControl(
      clientDemands({ now, ...(alterClient && { alterPlug: alterClient }) }),
      serverAttests({ now, alterPlug: alterServer }),
    )
    const renew = async () => {
      clock.now += 20_000
      pair.client.attested?.renew()
      await settle(pair)
    }
    return { pair, renew, clock }
  }

  test('control', async () => {
    const { pair, renew } = await renewing(alterControl(message => [message]))
    for (let round = 2; round < 5; round++) {
      await renew()
      assert.equal(pair.client.status?.rounds, round)
    }
  })

  test('the authenticator of the round before, under the new number', async () => {
    let kept: ControlMessage | undefined
    const { pair, renew } = await renewing(
      alterControl(message => {
        if (message.kind !== authenticator) return [message]
        kept ??= message
        return [{ ...kept, seq: message.seq }]
      }),
    )
    await renew()
    assert.equal(alertOf(pair.client.error), 'decrypt_error')
    assert.equal(pair.client.status?.isAttested, false)
  })

  test('Evidence of the round before in a fresh authenticator', async () => {
    const inner = attesterOf()
    const made: Awaited<ReturnType<typeof inner.evidence>>[] = []
    const attester = attesterOf()
    attester.evidence = async asked => {
      made.push(await inner.evidence(asked))
      return made[Math.min(made.length - 1, 1)] ?? assert.fail()
    }
    const clock = { now: NOON }
    const now = () => clock.now
    const pair = await assertControl(clientDemands({ now }), withAttestation(serverAttests({ now }), { attester }))
    clock.now += 20_000
    pair.client.attested?.renew()
    await settle(pair)
    assert.equal(made.length, 3)
    assert.equal(codeOf(pair.client.error), 'ERR_ATTESTATION_REFUSED')
  })

  for (const [name, seq, alert] of [
    ['skips a number', 2, 'illegal_parameter'],
    ['goes back', 0, 'illegal_parameter'],
    ['wraps around', 0xffff_ffff, 'illegal_parameter'],
  ] as const) {
    test(`a request that ${name}`, async () => {
      const { pair, renew } = await renewing(
        alterControl(message => [message]),
        alterControl(message => [message.kind === request && message.seq === 1 ? { ...message, seq } : message]),
      )
      await renew()
      assert.equal(alertOf(pair.server.error), alert)
    })
  }

  test('the empty authenticator', async () => {
    const attester = attesterOf()
    const make = attester.evidence.bind(attester)
    let isUnable = false
    attester.evidence = async asked => {
      if (isUnable) throw new Error('the platform is out of order')
      return make(asked)
    }
    const clock = { now: NOON }
    const now = () => clock.now
    const pair = await assertControl(clientDemands({ now }), withAttestation(serverAttests({ now }), { attester }))
    isUnable = true
    clock.now += 20_000
    pair.client.attested?.renew()
    await settle(pair)
    assert.equal(codeOf(pair.client.error), 'ERR_ATTESTATION_PEER_NOT_ATTESTED')
    assert.equal(codeOf(pair.server.error), 'ERR_ATTESTATION_ATTESTER_FAILED')
  })

  test('requests faster than they may come', async () => {
    const { pair, renew, clock } = await renewing(alterControl(message => [message]))
    await renew()
    // The client's own clock runs ahead: it believes that it may ask again.
    const rash = pair.client.attested
    clock.now += 1
    const { server } = pair
    rash?.renew()
    await settle(pair)
    assert.equal(server.error, undefined, 'an honest client puts it off')
    const again = await renewing(
      alterControl(message => [message]),
      alterControl(message => (message.kind === request && message.seq === 1 ? [message, message] : [message])),
    )
    await again.renew()
    assert.equal(alertOf(again.pair.server.error), 'unexpected_message')
  })
})

describe('row 45: the acceptance', () => {
  const wrong: readonly [
    name: string,
    change: (message: ControlMessage) => readonly ControlMessage[],
    alert: string,
  ][] = [
    ['is forged', m => [{ ...m, body: m.body.map(byte => byte ^ 1) }], 'decrypt_error'],
    ['is cut short', m => [{ ...m, body: m.body.subarray(1) }], 'decrypt_error'],
    ['is empty', m => [{ ...m, body: new Uint8Array() }], 'decrypt_error'],
    ['has another number', m => [{ ...m, seq: 1 }], 'unexpected_message'],
    ['comes twice', m => [m, m], 'unexpected_message'],
    ['is missing', () => [], 'unexpected_message'],
  ]
  for (const [name, change, alert] of wrong) {
    test(name, async () => {
      const careless = alterControl(message => (message.kind === accept ? change(message) : [message]))
      const pair = await connect(clientDemands({ alterPlug: careless }), serverAttests())
      assert.equal(alertOf(pair.server.error), alert)
      assert.equal(pair.server.data, '')
      if (name !== 'comes twice') assert.equal(pair.client.data, '', 'the attester keeps the gate')
    })
  }
})

describe('row 51: the Verifier fails', () => {
  for (const at of [0, 1]) {
    const moment = at === 0 ? 'in the handshake' : 'after the handshake'
    test(`it throws, ${moment}`, async () => {
      let count = 0
      const failing = changedVerifier(result => {
        if (count++ === at) throw new Error('out of order')
        return result
      })
      const pair = await connect(withAttestation(clientDemands(), { verifier: failing }), serverAttests())
      assertRefused(pair, 'client', 'ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error')
    })

    test(`it never answers, ${moment}`, async () => {
      let count = 0
      const silent = changedVerifier(result => (count++ === at ? new Promise(() => undefined) : result))
      const pair = await connect(
        withAttestation(clientDemands(), { verifier: silent }),
        serverAttests(),
        ({ client }) => client.timers.fire(),
      )
      assertRefused(pair, 'client', 'ERR_ATTESTATION_TIMEOUT')
    })
  }
})

describe('row 55: compound mode', () => {
  const compound = (changes: Partial<AttestationOptions> = {}) =>
    withAttestation(honestServer('H1'), { identityKey: bareKeys.server, ...changes })

  test('control', async () => {
    await assertControl(victim('H1'), compound())
  })

  test('the key of the certificate alone is stolen: Evidence for another key does not help', async () => {
    const collected = await fetchEvidence('H1', compound(), [])
    const inner = attesterOf()
    let count = 0
    const thief = attesterOf()
    // In the handshake the attacker has a machine of its own; after it, only what the honest one said.
    thief.evidence = async asked => (count++ === 0 ? inner.evidence(asked) : (collected[1] ?? assert.fail()))
    const pair = await connect(victim('H1'), compound({ attester: thief, identityKey: bareKeys.client }))
    assertRefused(pair, 'client', 'ERR_ATTESTATION_REFUSED')
  })

  test('the attesting key alone is stolen: the certificate is missing', async () => {
    const own = { ...honestServer('H1'), hasCertificate: false }
    await assert.rejects(
      async () => connect(victim('H1'), withAttestation(own, { identityKey: bareKeys.server })),
      MisuseError,
    )
  })

  test('both are stolen: still the Evidence is of another connection', async () => {
    const collected = await fetchEvidence('H1', compound(), [])
    const inner = attesterOf()
    let count = 0
    const thief = attesterOf()
    thief.evidence = async asked => (count++ === 0 ? inner.evidence(asked) : (collected[1] ?? assert.fail()))
    const pair = await connect(victim('H1'), compound({ attester: thief }))
    assertRefused(pair, 'client', 'ERR_ATTESTATION_REFUSED')
  })
})

function codeOf(error: Error | undefined): unknown {
  return error && 'code' in error ? error.code : undefined
}
