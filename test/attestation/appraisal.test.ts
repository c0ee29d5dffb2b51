import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AttestationError, type AttestationOptions } from '#src/attestation/index.js'
import { AlertDescription, AlertReceived } from '#src/handshake/index.js'
import type { AttestationResult, VerifierSession } from '#src/rats/index.js'
import { credentialFor } from '../support/pair.js'
import { assertRefused } from './hostile.js'
import {
  bareKeys,
  connect,
  type End,
  type EndOptions,
  FakeAttester,
  FakePresenter,
  FakeVerifier,
  type FakeVerifierOptions,
  keyId,
  type Pair,
  type Side,
} from './support.js'

const { bad_certificate, access_denied, internal_error, certificate_unknown } = AlertDescription

const other = (side: Side): Side => (side === 'client' ? 'server' : 'client')

/** Lets one side attest to the other, whose Verifier has a mind of its own. */
function attest(
  side: Side,
  verifier: FakeVerifierOptions,
  attester = new FakeAttester(),
  more: Partial<AttestationOptions> = {},
  onStall?: (pair: Pair) => void,
): Promise<Pair> {
  const attesting: EndOptions = { attestation: { attester }, hasCertificate: true }
  const asking: EndOptions = { attestation: { verifier: new FakeVerifier(verifier), ...more } }
  return side === 'client' ? connect(attesting, asking, onStall) : connect(asking, attesting, onStall)
}

/** A session whose appraisal is not what it should be. */
const appraising = (appraise: VerifierSession['appraise']): FakeVerifierOptions => ({ appraise })
const never = () => new Promise<never>(() => undefined)

for (const side of ['client', 'server'] as const) {
  const by = other(side)

  describe(`a ${by} refuses a ${side}`, () => {
    test('that was measured to be another, and says which check failed, what was expected, what came, what to do', async () => {
      const pair = await attest(side, {}, new FakeAttester({ measurement: 'tampered' }))
      assertRefused(pair, by, 'ERR_ATTESTATION_REFUSED', access_denied)
      const error = attestationError(pair[by])
      assert.equal(error.message, 'the peer is refused: measurement: expected good, found tampered; do better')
      assert.deepEqual(
        error.checks.map(({ name }) => name),
        ['measurement'],
      )
      assert.equal(error.result?.isAccepted, false)
      assert.equal(pair[by].status?.peer.reason, error.message)
    })

    test('and keeps what the Evidence says from steering a terminal', async () => {
      const pair = await attest(side, {}, new FakeAttester({ measurement: '\u001b[2J\u202e' }))
      assert.match(pair[by].error?.message ?? '', /found \?\[2J\?;/)
    })

    test('whose status the policy does not accept, though every check passed', async () => {
      const alter = (result: AttestationResult): AttestationResult => ({
        ...result,
        status: 'warning',
        isAccepted: false,
      })
      const pair = await attest(side, { alter })
      assertRefused(pair, by, 'ERR_ATTESTATION_REFUSED', access_denied)
      assert.match(pair[by].error?.message ?? '', /does not accept the status warning/)
    })

    test('where attestation is optional too, once it has attested and was found wanting', async () => {
      const pair = await attest(side, {}, new FakeAttester({ measurement: 'tampered' }), { require: 'optional' })
      assertRefused(pair, by, 'ERR_ATTESTATION_REFUSED', access_denied)
    })

    for (const [problemCode, alert] of [
      ['ERR_EVIDENCE_MALFORMED', bad_certificate],
      ['ERR_EVIDENCE_UNKNOWN_TYPE', bad_certificate],
      ['ERR_ENDORSEMENT_MISSING', internal_error],
      ['ERR_VERIFIER_FAILED', internal_error],
      [undefined, certificate_unknown],
    ] as const) {
      test(`that could not be appraised: ${problemCode ?? 'nobody knows why'}`, async () => {
        const alter = (result: AttestationResult): AttestationResult => ({
          ...result,
          status: 'none',
          isAccepted: false,
          problem: 'the collateral is gone',
          ...(problemCode && { problemCode }),
        })
        const pair = await attest(side, { alter })
        assertRefused(pair, by, 'ERR_ATTESTATION_NOT_APPRAISED', alert)
        assert.equal(pair[by].error?.message, 'the peer could not be appraised: the collateral is gone')
      })
    }

    const challenges: Readonly<Record<string, (challenge: Uint8Array) => Uint8Array | null>> = {
      'no challenge at all': () => null,
      'an empty one': () => new Uint8Array(0),
      'the beginning of it': challenge => challenge.subarray(0, 16),
      'it and more': challenge => Uint8Array.of(...challenge, 0),
      'one that differs in its last bit': challenge =>
        challenge.map((byte, i) => (i === challenge.length - 1 ? byte ^ 1 : byte)),
    }
    for (const [name, change] of Object.entries(challenges)) {
      test(`if its Verifier says that it has compared ${name}`, async () => {
        const alter = (result: AttestationResult): AttestationResult => ({
          ...result,
          challenge: result.challenge && change(result.challenge),
        })
        const pair = await attest(side, { alter })
        assertRefused(pair, by, 'ERR_ATTESTATION_CHALLENGE_MISMATCH', bad_certificate)
      })
    }

    test('if its Verifier wants a challenge that says nothing', async () => {
      const attester = new FakeAttester()
      attester.challengeLength = () => 7
      const verifier = new FakeVerifier()
      verifier.challengeLength = () => 7
      const attesting: EndOptions = { attestation: { attester }, hasCertificate: true }
      const asking: EndOptions = { attestation: { verifier } }
      const pair = await (side === 'client' ? connect(attesting, asking) : connect(asking, attesting))
      assertRefused(pair, by, 'ERR_ATTESTATION_CHALLENGE_MISMATCH', bad_certificate)
    })

    test('if its Verifier says yes with a word that is not true', async () => {
      // What JavaScript callers can do, TypeScript ones cannot.
      const alter = (result: AttestationResult) => ({ ...result, isAccepted: 'yes' as unknown as boolean })
      const pair = await attest(side, { alter })
      assertRefused(pair, by, 'ERR_ATTESTATION_REFUSED', access_denied)
    })

    test('if its Verifier throws while it appraises', async () => {
      const pair = await attest(
        side,
        appraising(() => {
          throw new Error('disk full')
        }),
      )
      assertRefused(pair, by, 'ERR_ATTESTATION_VERIFIER_FAILED', internal_error)
      assert.equal((attestationError(pair[by]).cause as Error).message, 'disk full')
    })

    test('if its Verifier cannot be reached', async () => {
      const newSession = () => Promise.reject(new Error('connection refused'))
      const pair = await attest(side, { newSession })
      if (by === 'server') {
        assertRefused(pair, by, 'ERR_ATTESTATION_VERIFIER_FAILED', internal_error)
      } else {
        assert.equal(attestationError(pair.client).code, 'ERR_ATTESTATION_VERIFIER_FAILED')
        assert.equal(pair.server.isEstablished, false)
      }
    })

    test('if its Verifier never answers, when the time is up, and tells the Verifier', async () => {
      let signal: AbortSignal | undefined
      const slow = appraising(submission => {
        signal = submission.signal
        return never()
      })
      const pair = await attest(side, slow, undefined, { timeouts: { verifier: 1234 } }, waiting => {
        assert.deepEqual([...waiting[by].timers.pending.values()], [1234])
        assert.equal(signal?.aborted, false)
        waiting[by].timers.fire()
      })
      assertRefused(pair, by, 'ERR_ATTESTATION_TIMEOUT', internal_error)
      assert.equal(pair[by].error?.message, 'the Verifier did not answer within 1234 ms')
      assert.equal(signal?.aborted, true)
    })

    test('whose own Attester never answers: that side gives up', async () => {
      const attester = new FakeAttester()
      attester.evidence = never
      const pair = await attest(side, {}, attester, {}, waiting => {
        assert.deepEqual([...waiting[side].timers.pending.values()], [10_000])
        waiting[side].timers.fire()
      })
      assert.equal(attestationError(pair[side]).code, 'ERR_ATTESTATION_TIMEOUT')
      assertEndedByAlert(pair[by], internal_error)
    })

    test('whose own Attester fails: that side gives up', async () => {
      const attester = new FakeAttester()
      attester.evidence = () => Promise.reject(new Error('no device'))
      const pair = await attest(side, {}, attester)
      assert.equal(attestationError(pair[side]).code, 'ERR_ATTESTATION_ATTESTER_FAILED')
      assertEndedByAlert(pair[by], internal_error)
    })

    test('whose own Attester makes something else: that side sends nothing of it', async () => {
      const attester = new FakeAttester()
      attester.evidence = async () => ({ kind: 'record', type: 263, value: Uint8Array.of(1) })
      const pair = await attest(side, {}, attester)
      assert.equal(attestationError(pair[side]).code, 'ERR_ATTESTATION_ATTESTER_FAILED')
      assert.match(pair[side].error?.message ?? '', /made application\/eat\+cwt where .* was agreed on/)
      assert.equal(pair[side].status?.own.isPresented, false)
    })

    test('whose Evidence does not fit beside X.509: that side says so', async () => {
      const attester = new FakeAttester({ measurement: 'x'.repeat(0x10000) })
      const pair = await attest(side, {}, attester)
      assert.equal(attestationError(pair[side]).code, 'ERR_ATTESTATION_ATTESTER_FAILED')
      assert.match(pair[side].error?.message ?? '', /65535 fit beside an X.509 chain/)
    })

    test('no more, and tells its Verifier, when the connection ends meanwhile', async () => {
      let signal: AbortSignal | undefined
      const slow = appraising(submission => {
        signal = submission.signal
        return never()
      })
      const pair = await attest(side, slow, undefined, {}, waiting => {
        waiting[by].connection.fail(new Error('the caller has gone'))
      })
      assert.equal(pair[by].error?.message, 'the caller has gone')
      assert.equal(signal?.aborted, true)
      assert.equal(pair[by].timers.pending.size, 0)
    })
  })

  describe(`expectedIdentity of a ${side}`, () => {
    const own = credentialFor(side === 'client' ? 'client.test' : 'localhost').key

    test('is the attested key, or one of several', async () => {
      const expectedIdentity = { keyIds: [keyId(bareKeys.client), keyId(own)] }
      const pair = await attest(side, {}, undefined, { expectedIdentity })
      assert.equal(pair[by].status?.isAttested, true)
    })

    test('refuses another key', async () => {
      const expectedIdentity = { keyIds: [keyId(bareKeys.client)] }
      const pair = await attest(side, {}, undefined, { expectedIdentity })
      assertRefused(pair, by, 'ERR_ATTESTATION_IDENTITY_MISMATCH', access_denied)
    })

    test('is what the Evidence claims', async () => {
      const expectedIdentity = { claims: { place: ['desk', 'lab'], measurement: 'good' } }
      const pair = await attest(side, {}, undefined, { expectedIdentity })
      assert.equal(pair[by].status?.isAttested, true)
    })

    test('refuses who claims something else, or not all of it', async () => {
      for (const claims of [{ place: 'desk' }, { place: 'lab', owner: 'me' }] as Record<string, string>[]) {
        const pair = await attest(side, {}, undefined, { expectedIdentity: { claims } })
        assertRefused(pair, by, 'ERR_ATTESTATION_IDENTITY_MISMATCH', access_denied)
      }
    })
  })
}

describe('a session at the Verifier', () => {
  test('is closed where the peer does not attest, or has results', async () => {
    const verifier = new FakeVerifier()
    await connect({ attestation: { verifier, require: 'optional' } }, {})
    await connect({ attestation: { verifier } }, { attestation: { presenter: new FakePresenter() } })
    assert.equal(verifier.nonces.length, 2)
    assert.equal(verifier.open, 0)
  })

  test('is closed when the connection ends before there is Evidence', async () => {
    const verifier = new FakeVerifier()
    const attester = new FakeAttester()
    attester.evidence = never
    const pair = await connect(
      { attestation: { verifier } },
      { attestation: { attester, verifier, require: 'optional' } },
      ({ client, server }) => {
        assert.equal(verifier.open, 1)
        client.connection.fail(new Error('the caller has gone'))
        server.connection.receiveEnd()
      },
    )
    assert.equal(pair.client.isEstablished, false)
    assert.equal(verifier.open, 0)
  })
})

describe('results of the passport model', () => {
  test('are refused as Evidence is', async () => {
    const presenter = new FakePresenter({ alter: claims => ({ ...claims, signature: 'forged' }) })
    const pair = await connect(
      { attestation: { verifier: new FakeVerifier() } },
      { attestation: { presenter }, hasCertificate: true },
    )
    assertRefused(pair, 'client', 'ERR_ATTESTATION_REFUSED', access_denied)
    assert.match(pair.client.error?.message ?? '', /signature: expected genuine, found forged/)
  })

  test('for another key than the certificate’s are refused whatever the Verifier says', async () => {
    const alter = (result: AttestationResult) => ({ ...result, attestedKey: bareKeys.client.publicKey.spki })
    const pair = await connect(
      { attestation: { verifier: new FakeVerifier({ alter }) } },
      { attestation: { presenter: new FakePresenter() }, hasCertificate: true },
    )
    assertRefused(pair, 'client', 'ERR_ATTESTATION_KEY_MISMATCH', bad_certificate)
  })

  test('that cannot be had end the handshake of who offered them', async () => {
    const presenter = new FakePresenter()
    presenter.results = () => Promise.reject(new Error('Verifier away'))
    const pair = await connect(
      { attestation: { verifier: new FakeVerifier() } },
      { attestation: { presenter }, hasCertificate: true },
    )
    assert.equal(attestationError(pair.server).code, 'ERR_ATTESTATION_ATTESTER_FAILED')
    assertEndedByAlert(pair.client, internal_error)
  })
})

describe('a client that shows itself only to attested servers', () => {
  const disclosing = (verifier: FakeVerifier, attester: FakeAttester): EndOptions => ({
    attestation: { verifier, attester, require: 'optional', disclosure: { onlyToAttested: true } },
    hasCertificate: true,
  })

  test('keeps its Evidence back from one that was not', async () => {
    const attester = new FakeAttester()
    const pair = await connect(disclosing(new FakeVerifier(), attester), {
      attestation: { verifier: new FakeVerifier() },
    })
    assertRefused(pair, 'client', 'ERR_ATTESTATION_PEER_NOT_ATTESTED', access_denied)
    assert.deepEqual(attester.asked, [])
  })

  test('shows it to one that was', async () => {
    const attester = new FakeAttester()
    const pair = await connect(disclosing(new FakeVerifier(), attester), {
      attestation: { verifier: new FakeVerifier(), attester: new FakeAttester() },
    })
    assert.equal(pair.client.error, undefined)
    assert.equal(pair.server.status?.isAttested, true)
    assert.equal(attester.asked.length, 1)
  })
})

function attestationError(end: End): AttestationError {
  assert.ok(end.error instanceof AttestationError, end.error?.message)
  return end.error
}

function assertEndedByAlert({ error, data, status }: End, alert: number): void {
  assert.ok(error instanceof AlertReceived, error?.message)
  assert.equal(error.alert, alert)
  assert.equal(data, '')
  assert.equal(status?.isAttested, false)
}
