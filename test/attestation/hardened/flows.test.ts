import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { ControlKind, type ControlMessage } from '#src/attestation/hardened/control-message.js'
import { AttestationError } from '#src/attestation/index.js'
import { utf8 } from '#src/bytes/index.js'
import { hash } from '#src/crypto/index.js'
import { alertOf, credentialFor } from '../../support/pair.js'
import { attesterOf, NOON, verifierOf } from '../../support/simulated.js'
import { bareKeys, connect, type EndOptions, FakeVerifier, keyId, settle, tickets } from '../support.js'
import { type Attesting, alterControl, assertOpen, hardenedEnd, recordingAttester, withAttestation } from './support.js'

const both = (attesting: Attesting, client: Partial<EndOptions> = {}, server: Partial<EndOptions> = {}) =>
  connect(hardenedEnd('client', attesting, client), hardenedEnd('server', attesting, server))

function codeOf(error: Error | undefined): string | undefined {
  return error instanceof AttestationError ? error.code : undefined
}

describe('the profile hardened', () => {
  for (const attesting of ['server', 'client', 'both'] as const) {
    test(`binds to the session where ${attesting === 'both' ? 'both sides attest' : `the ${attesting} attests`}`, async () => {
      const pair = await both(attesting)
      assertOpen(pair)
      for (const [end, peerAttests, attests] of [
        [pair.client, attesting !== 'client', attesting !== 'server'],
        [pair.server, attesting !== 'server', attesting !== 'client'],
      ] as const) {
        const { status } = end
        assert.equal(status?.profile, 'hardened')
        assert.equal(status?.isAttested, peerAttests)
        assert.equal(status?.bindingLevel, peerAttests ? 3 : 0)
        assert.equal(status?.rounds, peerAttests ? 1 : 0)
        assert.equal(status?.renewedAt, peerAttests ? NOON : null)
        assert.equal(status?.evidenceDigest?.length, peerAttests ? 32 : undefined)
        assert.equal(status?.own.bindingLevel, attests ? 3 : 0)
      }
    })
  }

  test('has two pieces of Evidence made, with two challenges, for the key of the certificate', async () => {
    const { attester, asked } = recordingAttester()
    assertOpen(await both('server', {}, { attestation: { attester } }))
    assert.equal(asked.length, 2)
    const [first, second] = asked
    assert.ok(first && second)
    assert.notDeepEqual(first.challenge, second.challenge)
    assert.equal(first.challenge.length, 32)
    assert.deepEqual(first.key, second.key)
  })

  test('after a HelloRetryRequest too', async () => {
    const pair = await both('both', { client: { keyShareGroups: [0x0017] } }, { server: { groups: [0x001d] } })
    assert.ok(pair.client.connection.established?.isRetried)
    assertOpen(pair)
  })

  for (const suite of [0x1301, 0x1302, 0x1303]) {
    test(`with cipher suite ${suite.toString(16)}`, async () => {
      assertOpen(await both('both', { client: { cipherSuites: [suite] } }))
    })
  }

  test('in compound mode the certificate signs the handshake and a key of its own attests', async () => {
    const { attester, asked } = recordingAttester()
    const pair = await both('server', {}, { attestation: { attester, identityKey: bareKeys.server } })
    assertOpen(pair)
    const spki = bareKeys.server.publicKey.spki
    assert.notDeepEqual(asked[0]?.key.spki, spki)
    assert.deepEqual(asked[1]?.key.spki, spki)
    assert.deepEqual(pair.client.status?.peer.result?.attestedKey, spki)
  })

  test('lets nobody be let in on Evidence of the handshake alone', async () => {
    const hold = alterControl(() => [])
    const pair = await both('server', {}, { alterPlug: hold })
    assert.equal(pair.client.connection.state, 'handshake')
    assert.equal(pair.client.status?.isAttested, false)
    assert.equal(pair.client.status?.bindingLevel, 0)
    assert.equal(pair.server.data + pair.client.data, '')
    pair.client.timers.fire()
    await settle(pair)
    assert.equal(codeOf(pair.client.error), 'ERR_ATTESTATION_TIMEOUT')
    assert.equal(alertOf(pair.client.error), 'access_denied')
  })

  test('the attester sends nothing of its own before it is accepted', async () => {
    const pair = await both('server', { alterPlug: alterControl(m => (m.kind === ControlKind.accept ? [] : [m])) })
    // The client believes that all is well and speaks, which a server that was not accepted does not listen to.
    assert.equal(pair.server.data, '')
    assert.equal(pair.client.data, '')
    assert.equal(alertOf(pair.server.error), 'unexpected_message')
  })

  test('is not offered types whose challenge is too short to hold a digest', async () => {
    const short = attesterOf()
    short.challengeLength = () => 31
    await assert.rejects(async () => both('server', {}, { attestation: { attester: short } }), /has no Evidence type/)
  })

  test('offers no PSK, though there be one', async () => {
    const psk = { identity: utf8('psk'), key: new Uint8Array(32).fill(7), hash: 'sha256' } as const
    const pair = await both('server', { client: { preSharedKeys: [psk] } }, { server: { preSharedKeys: [psk] } })
    assertOpen(pair)
    assert.equal(pair.client.connection.established?.pskIdentity, undefined)
  })

  test('refuses a server that sends our own nonce back', async () => {
    const nonce = () => new Uint8Array(32).fill(7)
    const pair = await both(
      'both',
      { attestation: { verifier: new FakeVerifier({ nonce, types: attesterOf().evidenceTypes }) } },
      { attestation: { verifier: new FakeVerifier({ nonce, types: attesterOf().evidenceTypes }) } },
    )
    assert.ok(pair.server.error instanceof AttestationError)
    assert.equal(pair.client.data + pair.server.data, '')
  })

  test('issues no ticket', async () => {
    const pair = await both('server', {}, { server: { tickets: tickets() } })
    assertOpen(pair)
    assert.equal(pair.client.sessions.length, 0)
  })

  test('passes nothing over that the peer requires', async () => {
    const client = hardenedEnd('client', 'server')
    const server = withAttestation(hardenedEnd('server', 'server'), { verifier: verifierOf() })
    const pair = await connect(client, server)
    assert.ok(pair.server.error instanceof AttestationError)
    assert.equal(pair.server.error.code, 'ERR_ATTESTATION_PEER_NOT_ATTESTED')
  })

  test('lets a client be that does not attest, where that is optional', async () => {
    const client = hardenedEnd('client', 'server')
    const server = withAttestation(hardenedEnd('server', 'server'), { verifier: verifierOf(), require: 'optional' })
    const pair = await connect(client, server)
    assertOpen(pair)
    assert.equal(pair.server.status?.isAttested, false)
    assert.equal(pair.client.status?.bindingLevel, 3)
  })

  for (const side of ['client', 'server'] as const) {
    test(`refuses a ${side} that speaks only the draft, and does not speak it instead`, async () => {
      const old = (of: 'client' | 'server') =>
        withAttestation(hardenedEnd(of, 'server'), { profile: of === side ? 'draft08' : 'hardened' })
      const pair = await connect(old('client'), old('server'))
      const refusing = side === 'client' ? pair.server : pair.client
      assert.ok(refusing.error instanceof AttestationError)
      assert.equal(refusing.error.code, 'ERR_ATTESTATION_NEGOTIATION')
      assert.equal(alertOf(refusing.error), 'missing_extension')
      assert.equal(pair.client.data + pair.server.data, '')
    })
  }

  test('does not take key exchanges in groups that it does not name', async () => {
    const group = { groups: [0x0019], keyShareGroups: [0x0019] }
    const pair = await both('server', { client: group })
    assert.equal(alertOf(pair.server.error), 'insufficient_security')
  })
})

describe('a renewal', () => {
  /** A pair on which time passes. */
  async function renewing(server: Partial<EndOptions> = {}, client: Partial<EndOptions> = {}) {
    const clock = { now: NOON }
    const now = () => clock.now
    const pair = await both('server', { now, ...client }, { now, ...server })
    assertOpen(pair)
    const pass = async (ms: number) => {
      clock.now += ms
      await settle(pair)
    }
    return { pair, clock, pass, renew: () => pair.client.attested?.renew() }
  }

  test('comes by itself, after the time that was set and a fifth more or less', async () => {
    const { pair, pass } = await renewing({}, { attestation: { renewEvery: 60_000 } })
    const [ms = 0] = [...pair.client.timers.pending.values()].filter(time => time >= 48_000 && time <= 72_000)
    assert.ok(ms > 0, [...pair.client.timers.pending.values()].join())
    await pass(60_000)
    pair.client.timers.fire()
    await settle(pair)
    assert.equal(pair.client.error, undefined)
    assert.equal(pair.client.status?.rounds, 2)
    assert.equal(pair.client.status?.renewedAt, NOON + 60_000)
  })

  test('comes when it is asked for, as often as that is', async () => {
    const { attester, asked } = recordingAttester()
    const { pair, pass, renew } = await renewing({ attestation: { attester } })
    const digests = new Set([Buffer.from(pair.client.status?.evidenceDigest ?? []).toString('hex')])
    for (let round = 2; round < 6; round++) {
      renew()
      await pass(20_000)
      assert.equal(pair.client.error, undefined, pair.client.error?.message)
      assert.equal(pair.client.status?.rounds, round)
      digests.add(Buffer.from(pair.client.status?.evidenceDigest ?? []).toString('hex'))
    }
    assert.equal(digests.size, 5)
    assert.equal(new Set(asked.map(({ challenge }) => Buffer.from(challenge).toString('hex'))).size, 6)
    pair.server.connection.write(utf8('!'))
    await settle(pair)
    assert.equal(pair.client.data, 'data of the server!')
  })

  test('is put off where there was one a moment ago', async () => {
    const { pair, pass, renew } = await renewing()
    renew()
    await pass(1000)
    assert.equal(pair.client.status?.rounds, 1)
    await pass(10_000)
    pair.client.timers.fire()
    await settle(pair)
    assert.equal(pair.client.status?.rounds, 2)
    assert.equal(pair.client.error, undefined)
  })

  test('lets data pass meanwhile', async () => {
    let release: (() => void) | undefined
    const attester = attesterOf()
    const make = attester.evidence.bind(attester)
    let isSlow = false
    attester.evidence = async request => {
      if (isSlow)
        await new Promise<void>(resolve => {
          release = resolve
        })
      return make(request)
    }
    const { pair, pass, renew } = await renewing({ attestation: { attester } })
    isSlow = true
    renew()
    await pass(20_000)
    assert.ok(release)
    pair.client.connection.write(utf8(' and more'))
    pair.server.connection.write(utf8(' and more'))
    await settle(pair)
    assert.equal(pair.server.data, 'data of the client and more')
    assert.equal(pair.client.data, 'data of the server and more')
    release()
    await settle(pair)
    assert.equal(pair.client.status?.rounds, 2)
  })

  test('comes as often as the server says, where that is oftener than we would', async () => {
    const { pair } = await renewing({ attestation: { renewEvery: 20_000 } })
    const waits = [...pair.client.timers.pending.values()]
    assert.ok(
      waits.some(ms => ms >= 16_000 && ms <= 24_000),
      waits.join(),
    )
    const seldom = await renewing({ attestation: { renewEvery: 900_000 } }, { attestation: { renewEvery: 20_000 } })
    assert.ok([...seldom.pair.client.timers.pending.values()].some(ms => ms >= 16_000 && ms <= 24_000))
  })

  test('that is never accepted ends the connection, on the side of the one who attested', async () => {
    const swallow = alterControl(message => (message.kind === ControlKind.accept && message.seq > 0 ? [] : [message]))
    const { pair, pass, renew } = await renewing({}, { alterPlug: swallow })
    renew()
    await pass(20_000)
    assert.equal(pair.server.error, undefined)
    pair.server.timers.fire()
    await settle(pair)
    assert.equal(codeOf(pair.server.error), 'ERR_ATTESTATION_TIMEOUT')
  })

  test('that is accepted leaves nobody waiting', async () => {
    const { pair, pass, renew } = await renewing()
    renew()
    await pass(20_000)
    assert.equal(pair.client.status?.rounds, 2)
    assert.deepEqual([...pair.server.timers.pending.values()], [])
  })

  test('that does not come ends the connection', async () => {
    let count = 0
    const swallow = alterControl(message =>
      message.kind === ControlKind.authenticator && ++count > 1 ? [] : [message],
    )
    const { pair, pass, renew } = await renewing({ alterPlug: swallow })
    renew()
    await pass(20_000)
    assert.equal(pair.client.error, undefined)
    pair.client.timers.fire()
    await settle(pair)
    assert.equal(codeOf(pair.client.error), 'ERR_ATTESTATION_TIMEOUT')
    assert.equal(pair.client.connection.state, 'closed')
  })

  test('that finds something else ends the connection', async () => {
    const [sound, changed] = [attesterOf(), attesterOf({ isDebuggable: true })]
    let current = sound
    const attester = attesterOf()
    attester.evidence = request => current.evidence(request)
    const { pair, pass, renew } = await renewing({ attestation: { attester } })
    current = changed
    renew()
    await pass(20_000)
    assert.ok(pair.client.error instanceof AttestationError)
    assert.equal(pair.client.error.code, 'ERR_ATTESTATION_REFUSED')
    assert.equal(codeOf(pair.server.error), 'ERR_ATTESTATION_REJECTED')
  })

  test('of another platform ends the connection, however sound it is', async () => {
    const [sound, moved] = [attesterOf(), attesterOf({ implementationId: new Uint8Array(32).fill(9) })]
    let current = sound
    const attester = attesterOf()
    attester.evidence = request => current.evidence(request)
    const { pair, pass, renew } = await renewing({ attestation: { attester } })
    current = moved
    renew()
    await pass(20_000)
    assert.ok(pair.client.error instanceof AttestationError)
    assert.equal(pair.client.error.code, 'ERR_ATTESTATION_CONTINUITY')
  })

  test('cannot be had of a peer that does not attest, nor once the connection is over', async () => {
    const { pair, renew } = await renewing()
    assert.throws(() => pair.server.attested?.renew(), /no attestation/)
    pair.client.connection.close()
    pair.server.connection.close()
    await settle(pair)
    assert.throws(renew, /no attestation/)
    assert.deepEqual([...pair.client.timers.pending], [])
  })
})

describe('a connection', () => {
  for (const side of ['client', 'server'] as const) {
    test(`ends when it is as old as a ${side} that demands attestation allows`, async () => {
      const attesting = side === 'client' ? 'server' : 'client'
      const attestation = { maxConnectionAge: 7_200_000 }
      const changes = side === 'client' ? ([{ attestation }, {}] as const) : ([{}, { attestation }] as const)
      const pair = await both(attesting, ...changes)
      assertOpen(pair)
      assert.ok([...pair[side].timers.pending.values()].includes(7_200_000))
      assert.ok(![...pair[attesting].timers.pending.values()].some(ms => ms >= 3_600_000))
      for (const [fire, ms] of [...pair[side].timers.pending]) if (ms === 7_200_000) fire()
      await settle(pair)
      assert.equal(codeOf(pair[side].error), 'ERR_ATTESTATION_TOO_OLD')
      assert.equal(pair[side].status?.isAttested, false)
      assert.ok(pair[attesting].error)
    })
  }

  test('says which key the peer attests with', async () => {
    const plain = await both('server')
    const { publicKey } = credentialFor('localhost').key
    assert.deepEqual(plain.client.status?.attestedKeyId, hash('sha256', publicKey.spki))
    assert.equal(plain.server.status?.attestedKeyId, null)
    const compound = await both('server', {}, { attestation: { identityKey: bareKeys.server } })
    assert.deepEqual(compound.client.status?.attestedKeyId, keyId(bareKeys.server))
    const { attestedKeyId, bindingMeaning } = JSON.parse(JSON.stringify(compound.client.status))
    assert.equal(attestedKeyId, Buffer.from(keyId(bareKeys.server)).toString('hex'))
    assert.match(bindingMeaning, /bound to the keys that protect the data/)
  })
})

describe('what is said after the handshake', () => {
  const kinds: ControlMessage[] = []
  test('is a request, an authenticator and an acceptance, for each direction', async () => {
    const log = alterControl(message => {
      kinds.push(message)
      return [message]
    })
    assertOpen(await both('server', { alterPlug: log }, { alterPlug: log }))
    assert.deepEqual(
      kinds.map(({ kind, seq }) => [kind, seq]),
      [
        [ControlKind.request, 0],
        [ControlKind.authenticator, 0],
        [ControlKind.accept, 0],
      ],
    )
    assert.equal(kinds[2]?.body.length, 32)
  })
})
