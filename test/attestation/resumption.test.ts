import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AttestationOptions, defaultCodePoints } from '#src/attestation/index.js'
import { AlertDescription, decodeSession, type TicketIssuer } from '#src/handshake/index.js'
import type { AttestationResult } from '#src/rats/index.js'
import { NOW } from '../support/pair.js'
import { alterAnswer, assertRefused } from './hostile.js'
import {
  bareKeys,
  connect,
  type EndOptions,
  FakeAttester,
  FakePresenter,
  FakeVerifier,
  type FakeVerifierOptions,
  type Pair,
  tickets,
} from './support.js'

type Options = Omit<AttestationOptions, 'profile'>

interface Sides {
  readonly client: Options
  readonly server: Options
}

const serverAttests = (verifier: FakeVerifierOptions = {}): Sides => ({
  client: { verifier: new FakeVerifier(verifier) },
  server: { attester: new FakeAttester() },
})
const clientAttests = (verifier: FakeVerifierOptions = {}): Sides => ({
  client: { attester: new FakeAttester() },
  server: { verifier: new FakeVerifier(verifier) },
})

/** A connection with tickets; with a session, one that offers to resume it. */
function link(sides: Sides, issuer: TicketIssuer, session?: Uint8Array, now = NOW): Promise<Pair> {
  const resumed = session && decodeSession(session)
  const client: EndOptions = {
    attestation: sides.client,
    hasCertificate: true,
    now,
    client: { session: resumed ?? undefined },
  }
  return connect(client, { attestation: sides.server, now, server: { tickets: issuer } })
}

/** The session of a connection that went well. */
async function earn(sides: Sides, issuer: TicketIssuer): Promise<Uint8Array> {
  const pair = await link(sides, issuer)
  assert.equal(pair.client.error, undefined)
  assert.equal(pair.server.error, undefined)
  const [session] = pair.client.sessions
  assert.ok(session)
  return session
}

const isResumed = ({ client }: Pair) => client.connection.established?.isResumed

describe('an attested connection', () => {
  const wholes: Readonly<Record<string, () => Sides>> = {
    'server attested': serverAttests,
    'client attested': clientAttests,
    'both attested, by results': () => ({
      client: { verifier: new FakeVerifier(), presenter: new FakePresenter() },
      server: { verifier: new FakeVerifier(), presenter: new FakePresenter() },
    }),
  }
  for (const [name, sidesOf] of Object.entries(wholes)) {
    test(`is resumed while policy and appraisal hold, and says how it stands: ${name}`, async () => {
      const issuer = tickets()
      const sides = sidesOf()
      const pair = await link(sides, issuer, await earn(sides, issuer))
      assert.equal(pair.client.error, undefined)
      assert.equal(isResumed(pair), true)
      assert.equal(pair.client.data, 'data of the server')
      assert.equal(pair.server.data, 'data of the client')
      for (const [end, options, peer] of [
        [pair.client, sides.client, sides.server],
        [pair.server, sides.server, sides.client],
      ] as const) {
        const { status } = end
        const isAsked = options.verifier !== undefined
        assert.equal(status?.isResumed, true)
        assert.equal(status?.isAttested, isAsked)
        // Whoever holds the keys of the earlier connection holds this one.
        assert.equal(status?.bindingLevel, isAsked ? 1 : 0)
        assert.equal(status?.isSimulated, isAsked)
        assert.equal(
          status?.peer.negotiated?.model,
          isAsked ? (peer.presenter ? 'passport' : 'background-check') : undefined,
        )
        assert.deepEqual(status?.claims, isAsked ? { simulated: { measurement: 'good', place: 'lab' } } : {})
        assert.equal(status?.own.isPresented, peer.verifier !== undefined)
      }
    })
  }

  test('is resumed a second time from the session of a resumed one', async () => {
    const issuer = tickets()
    const sides = serverAttests()
    const second = await link(sides, issuer, await earn(sides, issuer))
    const [session] = second.client.sessions
    const third = await link(sides, issuer, session)
    assert.equal(isResumed(third), true)
    assert.equal(third.client.status?.isAttested, true)
  })

  const expiring = { expiresAt: NOW / 1000 + 60 }
  for (const [side, sidesOf] of [
    ['client', serverAttests],
    ['server', clientAttests],
  ] as const) {
    test(`is attested anew when the verdict of the ${side} has expired`, async () => {
      const issuer = tickets()
      const sides = sidesOf(expiring)
      const session = await earn(sides, issuer)
      assert.equal(isResumed(await link(sides, issuer, session, NOW + 59_999)), true)
      const later = await link(sides, issuer, session, NOW + 60_000)
      assert.equal(isResumed(later), false)
      assert.equal(later[side].status?.isAttested, true)
      assert.equal(later[side].status?.isResumed, false)
    })

    test(`is attested anew when the Verifier of the ${side} has another policy`, async () => {
      const issuer = tickets()
      const sides = sidesOf()
      const session = await earn(sides, issuer)
      const { verifier } = sides[side]
      assert.ok(verifier instanceof FakeVerifier)
      verifier.policyDigest = 'policy 2'
      const later = await link(sides, issuer, session)
      assert.equal(isResumed(later), false)
      assert.equal(later[side].status?.isAttested, true)
    })

    test(`is attested anew when the ${side} asks for more than before`, async () => {
      const issuer = tickets()
      const sides = sidesOf()
      const session = await earn(sides, issuer)
      const stricter = { ...sides, [side]: { ...sides[side], expectedIdentity: { claims: { place: 'lab' } } } }
      const later = await link(stricter, issuer, session)
      assert.equal(isResumed(later), false)
      assert.equal(later[side].status?.isAttested, true)
    })

    test(`that was not attested is not resumed once the ${side} requires it`, async () => {
      const issuer = tickets()
      const { client, server } = sidesOf()
      const lax: Sides =
        side === 'client'
          ? {
              client: { ...client, require: 'optional' },
              server: { verifier: new FakeVerifier(), require: 'optional' },
            }
          : {
              client: { verifier: new FakeVerifier(), require: 'optional' },
              server: { ...server, require: 'optional' },
            }
      const session = await earn(lax, issuer)
      const strict: Sides = side === 'client' ? { ...lax, client } : { ...lax, server }
      const later = await link(strict, issuer, session)
      assertRefused(later, side, 'ERR_ATTESTATION_PEER_NOT_ATTESTED', 224)
    })
  }

  for (const expiresAt of [null, NOW / 1000]) {
    test(`gets no ticket for a verdict that ${expiresAt === null ? 'sets no end' : 'holds no longer'}`, async () => {
      const issuer = tickets()
      assert.deepEqual((await link(clientAttests({ expiresAt }), issuer)).client.sessions, [])
      // A client throws away what comes.
      assert.deepEqual((await link(serverAttests({ expiresAt }), issuer)).client.sessions, [])
    })
  }

  test('gets no ticket where what there is to remember is too much for one', async () => {
    const issuer = tickets()
    const alter = (result: AttestationResult): AttestationResult => ({
      ...result,
      submodules: { big: { status: 'affirming', vector: {}, policyIds: [], claims: { text: 'x'.repeat(10_000) } } },
    })
    const pair = await link(clientAttests({ alter }), issuer)
    assert.equal(pair.server.status?.isAttested, true)
    assert.deepEqual(pair.client.sessions, [])
  })

  test('gets no ticket that a plain connection could use, nor uses a plain one', async () => {
    const issuer = tickets()
    const attested = await earn(serverAttests(), issuer)
    const plain = await connect(
      { client: { session: decodeSession(attested) ?? undefined } },
      { server: { tickets: issuer } },
    )
    assert.equal(isResumed(plain), false)
    const unattested = await connect({}, { server: { tickets: issuer } })
    const [session] = unattested.client.sessions
    assert.ok(session)
    const later = await link(serverAttests(), issuer, session)
    assert.equal(isResumed(later), false)
    assert.equal(later.client.status?.isAttested, true)
  })

  test('is resumed where the key was attested alone', async () => {
    const issuer = tickets()
    const sides: Sides = {
      client: { verifier: new FakeVerifier(), peerCredentials: ['attestation-only'] },
      server: { attester: new FakeAttester(), identityKey: bareKeys.server, ownCredentials: ['attestation-only'] },
    }
    const pair = await link(sides, issuer, await earn(sides, issuer))
    assert.equal(isResumed(pair), true)
    assert.equal(pair.client.status?.peer.negotiated?.credential, 'attestation-only')
  })

  test('is not resumed from a session whose state is no state', async () => {
    const issuer = tickets()
    const sides = serverAttests()
    const session = decodeSession(await earn(sides, issuer))
    assert.ok(session)
    for (const plugState of ['{}', '{"version":1}', 'null', '[', '\u0000']) {
      const broken = { ...session, plugState: Uint8Array.from(Buffer.from(plugState)) }
      const client: EndOptions = { attestation: sides.client, hasCertificate: true, client: { session: broken } }
      const pair = await connect(client, { attestation: sides.server, server: { tickets: issuer } })
      assert.equal(isResumed(pair), false)
      assert.equal(pair.client.status?.isAttested, true)
    }
  })
})

describe('an external PSK', () => {
  const psk = { identity: Uint8Array.of(1), key: new Uint8Array(32).fill(1), hash: 'sha256' } as const
  const both = { preSharedKeys: [psk] }

  test('attests nobody: it is refused where attestation is required', async () => {
    const byClient = await connect(
      { attestation: serverAttests().client, client: both },
      { server: both, attestation: serverAttests().server },
    )
    assertRefused(byClient, 'client', 'ERR_ATTESTATION_PEER_NOT_ATTESTED', 224)
    const byServer = await connect(
      { attestation: clientAttests().client, hasCertificate: true, client: both },
      { server: both, attestation: clientAttests().server },
    )
    assertRefused(byServer, 'server', 'ERR_ATTESTATION_PEER_NOT_ATTESTED', 224)
  })

  test('goes on, and says that nobody is attested, where attestation is optional', async () => {
    const { client, server } = serverAttests()
    const pair = await connect(
      { attestation: { ...client, require: 'optional' }, client: both },
      { server: both, attestation: server },
    )
    assert.equal(pair.client.data, 'data of the server')
    assert.equal(pair.client.status?.isAttested, false)
    assert.equal(pair.client.status?.peer.reason, 'the server authenticates with a PSK')
  })

  test('does not go with an answer about attestation', async () => {
    const { client, server } = serverAttests()
    const extension = { type: defaultCodePoints.evidence_request, data: Uint8Array.of(1, 0, 1, 7) }
    const alterPlug = alterAnswer(answer => ({ ...answer, extensions: [extension] }))
    const pair = await connect(
      { attestation: { ...client, require: 'optional' }, client: both },
      { server: both, attestation: server, alterPlug },
    )
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', AlertDescription.illegal_parameter)
  })
})
