import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { presenter } from '#src/attester/index.js'
import { utf8 } from '#src/bytes/index.js'
import type { Cmw } from '#src/rats/index.js'
import { bareKeys, connect, End, type EndOptions, keyId, type Pair } from '../attestation/support.js'
import { draft08 } from '../support/draft08.js'
import { always, credentialFor, seededEntropy } from '../support/pair.js'
import { attesterOf, NOON, newKey, root, verifierOf } from '../support/simulated.js'
import {
  assertControl,
  assertRefused,
  assertWorks,
  fetchEvidence,
  honestServer,
  type Mode,
  overhearing,
  puppet,
  victim,
  watched,
} from './support.js'

/*
 * Relay, diversion and replay: security.md E.11, rows 1 to 11, 38. In a relay the Evidence is about a machine that is not
 * the other end; in a diversion it is about the other end, which is not the one that was meant.
 */

const MODES: readonly Mode[] = ['AO', 'CA', 'H1']

/** The attacker's server: the stolen key, and Evidence of the honest one. */
function impostor(mode: Mode, source: Parameters<typeof puppet>[0]): EndOptions {
  return honestServer(mode, puppet(source))
}

describe('row 1: the key is stolen, the nonce copied, the Evidence relayed', () => {
  async function relay(mode: Mode): Promise<Pair> {
    const { verifier, nonces } = watched()
    const requests: { random: Uint8Array; nonce: Uint8Array }[] = []
    const attacker = impostor(mode, async (_request, index) => {
      // The request after the handshake is copied whole: the same number, randomness and nonce of the Verifier.
      const said = requests[0]
      const wanted = [...nonces.slice(0, 1), ...(said ? [said.nonce] : [])]
      const evidence = (await fetchEvidence(mode, honestServer(mode), wanted, said?.random))[index]
      assert.ok(evidence, 'the honest server did attest')
      return evidence
    })
    const overheard: EndOptions = { ...attacker, alterPlug: plug => overhearing(plug, requests) }
    return connect(victim(mode, { verifier }), overheard)
  }

  for (const mode of MODES) {
    test(`${mode}: control`, async () => {
      await assertControl(victim(mode), honestServer(mode))
    })
  }
  test('AO: works, and is reported as level 1', async () => assertWorks(await relay('AO'), 1))
  test('CA: refused', async () => assertRefused(await relay('CA'), 'client', 'ERR_ATTESTATION_REFUSED'))
  test('H1: refused, by the Evidence of the handshake already', async () => {
    assertRefused(await relay('H1'), 'client', 'ERR_ATTESTATION_REFUSED')
  })
})

describe('row 3: the key and results are stolen, there is no TEE at all', () => {
  const resultsKey = newKey()
  const issuing = verifierOf({ signingKey: resultsKey, identity: 'results.test' })
  const taking = () => verifierOf({ issuers: [{ identity: utf8('results.test'), keys: [resultsKey.publicKey] }] })
  const honest = presenter({ attester: attesterOf(), verifiers: [issuing], now: () => NOON })

  test('PP: works, and is reported as level 1', async () => {
    const server: EndOptions = { now: NOON, attestation: { ...draft08, presenter: honest } }
    const client = victim('CA', { verifier: taking(), models: ['passport'] })
    const control = await assertControl(client, server)
    assert.equal(control.client.status?.peer.negotiated?.model, 'passport')
    let taken: Cmw | undefined
    const thief = {
      verifiers: honest.verifiers,
      // Any client is given them; the attacker was one.
      async results(request: Parameters<typeof honest.results>[0]) {
        taken ??= await honest.results(request)
        return taken
      },
    }
    assertWorks(await connect(client, { ...server, attestation: { ...draft08, presenter: thief } }), 1)
  })

  test('H1: results are neither offered nor taken', async () => {
    await assertControl(victim('H1'), honestServer('H1'))
    const server: EndOptions = { now: NOON, attestation: { ...draft08, presenter: honest } }
    assertRefused(await connect(victim('H1', { verifier: taking() }), server), 'client', undefined, undefined)
  })
})

describe('row 4: key and ephemeral secret are stolen, the certificate flight is swapped, the Evidence kept', () => {
  /** The honest server begins the handshake and attests; the attacker, which knows the same secrets, goes on. */
  async function swap(mode: Mode): Promise<Pair> {
    let kept: Cmw | undefined
    const inner = attesterOf()
    // Both make the same ServerHello out of the same randomness, and so have the same Handshake Secret.
    const leaked = sharedEntropy()
    const honest = honestServer(mode, {
      evidenceTypes: inner.evidenceTypes,
      challengeLength: type => inner.challengeLength(type),
      async evidence(request) {
        kept = await inner.evidence(request)
        return kept
      },
    })
    let hello: Uint8Array | undefined
    const requests: { random: Uint8Array; nonce: Uint8Array }[] = []
    const attacker = impostor(mode, async (_request, index) => {
      if (index > 0) {
        // Over the finished handshake there is only what the honest server says on a connection of the attacker's own,
        // though it be asked with the same bytes.
        const [said] = requests
        const nonces = said ? [new Uint8Array(32).fill(1), said.nonce] : []
        const evidence = (await fetchEvidence(mode, honestServer(mode), nonces, said?.random))[1]
        assert.ok(evidence)
        return evidence
      }
      assert.ok(hello)
      await feed({ ...honest, server: { entropy: leaked.again() } }, hello)
      assert.ok(kept, 'the honest server did attest')
      return kept
    })
    const client: EndOptions = {
      ...victim(mode),
      tamper(bytes) {
        hello ??= bytes
        return bytes
      },
    }
    return connect(client, {
      ...attacker,
      server: { entropy: leaked.again() },
      alterPlug: plug => overhearing(plug, requests),
    })
  }

  test('CA: works, and is reported as level 2', async () => assertWorks(await swap('CA'), 2))
  test('H1: refused, though the Evidence of the handshake is right', async () => {
    const pair = await swap('H1')
    assertRefused(pair, 'client', 'ERR_ATTESTATION_REFUSED')
    assert.ok(pair.client.connection.established, 'it is what comes after the handshake that is refused')
  })
})

describe('row 6: the connection is diverted to another TEE with the same image, nothing is stolen', () => {
  const elsewhere = () => attesterOf({ platform: root.issue('another machine') })

  test('AO: works where nobody is expected, and is refused where somebody is', async () => {
    const diverted: EndOptions = {
      ...honestServer('AO', elsewhere()),
      attestation: {
        ...draft08,
        attester: elsewhere(),
        identityKey: bareKeys.client,
        ownCredentials: ['attestation-only'],
      },
    }
    assertWorks(await connect(victim('AO'), diverted), 1)
    const pinned = victim('AO', { expectedIdentity: { keyIds: [keyId(bareKeys.server)] } })
    await assertControl(pinned, honestServer('AO'))
    assertRefused(await connect(pinned, diverted), 'client', 'ERR_ATTESTATION_IDENTITY_MISMATCH')
  })

  for (const mode of ['CA', 'H1'] as const) {
    test(`${mode}: refused by name`, async () => {
      const diverted: EndOptions = {
        ...honestServer(mode, elsewhere()),
        server: { credentials: always(credentialFor('elsewhere.test')) },
      }
      assertRefused(await connect(victim(mode), diverted), 'client', undefined, 'bad_certificate')
    })
  }
})

describe('rows 7 and 8: diverted to another TEE, with a stolen key', () => {
  const elsewhere = () => attesterOf({ platform: root.issue('another machine') })

  for (const mode of ['CA', 'H1'] as const) {
    test(`${mode}: works where any sound platform will do, as stays impossible to prevent`, async () => {
      assertWorks(await connect(victim(mode), honestServer(mode, elsewhere())), mode === 'H1' ? 3 : 2)
    })

    test(`${mode}: refused where the instance is expected`, async () => {
      const control = await assertControl(victim(mode), honestServer(mode))
      const [claims] = Object.values(control.client.status?.claims ?? {})
      const instance = claims?.['instance-id']
      assert.equal(typeof instance, 'string')
      const pinned = victim(mode, { expectedIdentity: { claims: { 'instance-id': String(instance) } } })
      await assertControl(pinned, honestServer(mode))
      const pair = await connect(pinned, honestServer(mode, elsewhere()))
      assertRefused(pair, 'client', 'ERR_ATTESTATION_IDENTITY_MISMATCH')
    })
  }
})

describe('row 9: Evidence of an earlier connection is replayed', () => {
  for (const mode of MODES) {
    test(`${mode}: refused`, async () => {
      const earlier = await fetchEvidence(mode, honestServer(mode), [])
      const replaying = impostor(mode, (_request, index) => earlier[index] ?? assert.fail())
      assertRefused(await connect(victim(mode), replaying), 'client', 'ERR_ATTESTATION_REFUSED')
    })
  }

  test('H1: refused after the handshake too, where that in it was fresh', async () => {
    const earlier = await fetchEvidence('H1', honestServer('H1'), [])
    const inner = attesterOf()
    const replaying = impostor('H1', (request, index) =>
      index === 0 ? inner.evidence(request) : (earlier[1] ?? assert.fail()),
    )
    const pair = await connect(victim('H1'), replaying)
    assertRefused(pair, 'client', 'ERR_ATTESTATION_REFUSED')
    assert.ok(pair.client.connection.established)
  })
})

describe('row 11: stale Evidence beside a fresh binder', () => {
  test('H1: the Evidence of the handshake does not do after it', async () => {
    const inner = attesterOf()
    let first: Cmw | undefined
    const stale = impostor('H1', async request => {
      first ??= await inner.evidence(request)
      return first
    })
    const pair = await connect(victim('H1'), stale)
    assertRefused(pair, 'client', 'ERR_ATTESTATION_REFUSED')
    assert.ok(pair.client.connection.established)
  })
})

describe('row 16: a certificate of one, Evidence for the key of another', () => {
  for (const mode of ['CA', 'H1'] as const) {
    test(`${mode}: refused, since the Evidence says which key it is for`, async () => {
      await assertControl(victim(mode), honestServer(mode))
      const inner = attesterOf()
      const other = credentialFor('other.test').key.publicKey
      const spliced = impostor(mode, request =>
        inner.evidence({ ...request, key: { ...request.key, spki: other.spki } }),
      )
      assertRefused(await connect(victim(mode), spliced), 'client', undefined)
    })
  }
})

/** Randomness that comes again in the same order. */
function sharedEntropy() {
  const shares = new Map<string, ReturnType<ReturnType<typeof seededEntropy>['answerKeyShare']>>()
  const again = () => {
    const entropy = seededEntropy('leaked')
    return {
      ...entropy,
      answerKeyShare(group: Parameters<typeof entropy.answerKeyShare>[0], peer: Uint8Array) {
        const id = `${group} ${Buffer.from(peer).toString('hex')}`
        const share = shares.get(id) ?? entropy.answerKeyShare(group, peer)
        shares.set(id, share)
        return share
      },
    }
  }
  return { again }
}

/** Lets a server run as far as a ClientHello takes it. */
async function feed(options: EndOptions, hello: Uint8Array): Promise<void> {
  const { connection } = new End('server', options)
  connection.start()
  connection.receive(hello)
  while (connection.pause) {
    await connection.pause
    connection.resume()
  }
}
