import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AttestationOptions, TraceEvent } from '#src/attestation/index.js'
import type { Attester, Presenter, Verifier } from '#src/rats/index.js'
import { bareKeys, connect, FakeAttester, FakePresenter, FakeVerifier, type Side } from './support.js'

/*
 * The example flows of draft-fossati-tls-attestation-08, in the order in which things have to happen. Of the handshake
 * messages those are noted that a flow is about, where they are sent and where they are read.
 */

class Diary {
  readonly entries: string[] = []

  /** What one side is told, with everybody that it asks noting when. */
  options(side: Side, parts: Partial<AttestationOptions>): Omit<AttestationOptions, 'profile'> {
    const { attester, presenter, verifier, ...others } = parts
    return {
      ...others,
      ...(attester && { attester: this.#attester(side, attester) }),
      ...(presenter && { presenter: this.#presenter(side, presenter) }),
      ...(verifier && { verifier: this.#verifier(side, verifier) }),
      trace: event => this.#note(side, event),
    }
  }

  #note(side: Side, { direction, message, fields }: TraceEvent): void {
    const said = fields.map(({ name }) => name)
    const isOfInterest = said.length > 0 || ['certificate_request', 'certificate_verify', 'finished'].includes(message)
    const what = said.length > 0 ? `${message} (${said.join(', ')})` : message
    if (isOfInterest) this.entries.push(`${side} ${direction === 'sent' ? 'sends' : 'reads'} ${what}`)
  }

  #attester(side: Side, attester: Attester): Attester {
    return {
      evidenceTypes: attester.evidenceTypes,
      challengeLength: type => attester.challengeLength(type),
      evidence: request => {
        this.entries.push(`${side} makes Evidence`)
        return attester.evidence(request)
      },
    }
  }

  #presenter(side: Side, presenter: Presenter): Presenter {
    return {
      verifiers: presenter.verifiers,
      results: request => {
        this.entries.push(`${side} takes its results`)
        return presenter.results(request)
      },
    }
  }

  #verifier(side: Side, verifier: Verifier): Verifier {
    return {
      identity: verifier.identity,
      evidenceTypes: verifier.evidenceTypes,
      policyDigest: verifier.policyDigest,
      challengeLength: type => verifier.challengeLength(type),
      newSession: async options => {
        this.entries.push(`${side} opens a session`)
        const { nonce, appraise } = await verifier.newSession(options)
        return {
          nonce,
          appraise: submission => {
            this.entries.push(`${side} has Evidence appraised`)
            return appraise(submission)
          },
        }
      },
      checkResults: submission => {
        this.entries.push(`${side} has results checked`)
        return verifier.checkResults(submission)
      },
    }
  }
}

async function diaryOf(client: Partial<AttestationOptions>, server: Partial<AttestationOptions>): Promise<string[]> {
  const diary = new Diary()
  const pair = await connect(
    { attestation: diary.options('client', client) },
    { attestation: diary.options('server', server), hasCertificate: server.identityKey === undefined },
  )
  assert.equal(pair.client.error, undefined)
  assert.equal(pair.server.error, undefined)
  assert.equal(pair.client.data, 'data of the server')
  assert.equal(pair.server.data, 'data of the client')
  return diary.entries
}

const onlyAttestation = { peerCredentials: ['attestation-only'] } as const
const verifier = () => new FakeVerifier()
const attester = () => new FakeAttester()
const presenter = () => new FakePresenter()

describe('the flows of the draft', () => {
  test('1, confidential computing: the client has the server’s Evidence appraised (R-B4)', async () => {
    const entries = await diaryOf(
      { verifier: verifier(), models: ['background-check'], ...onlyAttestation },
      { attester: attester(), identityKey: bareKeys.server },
    )
    assert.deepEqual(entries, [
      'client opens a session',
      'client sends client_hello (evidence_request)',
      'server reads client_hello (evidence_request)',
      'server sends encrypted_extensions (evidence_request)',
      'server makes Evidence',
      'server sends certificate (attestation)',
      'server sends certificate_verify',
      'server sends finished',
      'client reads encrypted_extensions (evidence_request)',
      'client reads certificate (attestation)',
      'client has Evidence appraised',
      'client reads certificate_verify',
      'client reads finished',
      'client sends finished',
      'server reads finished',
    ])
  })

  test('2, device onboarding: the server has the client’s Evidence appraised (R-B4)', async () => {
    const entries = await diaryOf(
      { attester: attester(), identityKey: bareKeys.client },
      { verifier: verifier(), ...onlyAttestation },
    )
    assert.deepEqual(entries, [
      'client sends client_hello (evidence_proposal)',
      'server reads client_hello (evidence_proposal)',
      'server opens a session',
      'server sends encrypted_extensions (evidence_proposal)',
      'server sends certificate_request',
      'server sends certificate_verify',
      'server sends finished',
      'client reads encrypted_extensions (evidence_proposal)',
      'client reads certificate_request',
      'client reads certificate_verify',
      'client reads finished',
      'client makes Evidence',
      'client sends certificate (attestation)',
      'client sends certificate_verify',
      'client sends finished',
      'server reads certificate (attestation)',
      'server has Evidence appraised',
      'server reads certificate_verify',
      'server reads finished',
    ])
  })

  test('3, passport in both directions: nobody waits for a nonce', async () => {
    const entries = await diaryOf(
      {
        presenter: presenter(),
        verifier: verifier(),
        identityKey: bareKeys.client,
        models: ['passport'],
        ...onlyAttestation,
      },
      {
        presenter: presenter(),
        verifier: verifier(),
        identityKey: bareKeys.server,
        models: ['passport'],
        ...onlyAttestation,
      },
    )
    assert.deepEqual(
      entries.filter(entry => /results/.test(entry)),
      [
        'client sends client_hello (results_request, results_proposal)',
        'server reads client_hello (results_request, results_proposal)',
        'server sends encrypted_extensions (results_request, results_proposal)',
        'server takes its results',
        'client reads encrypted_extensions (results_request, results_proposal)',
        'client has results checked',
        'client takes its results',
        'server has results checked',
      ],
    )
    assert.ok(!entries.some(entry => entry.includes('session')))
  })

  test('4, mixed: Evidence of the server, results of the client (R-B8)', async () => {
    const entries = await diaryOf(
      { presenter: presenter(), verifier: verifier(), identityKey: bareKeys.client },
      { attester: attester(), verifier: verifier(), models: ['background-check', 'passport'], ...onlyAttestation },
    )
    assert.deepEqual(
      entries.filter(entry => !/ (sends|reads) /.test(entry)),
      [
        'client opens a session',
        'server makes Evidence',
        'client has Evidence appraised',
        'client takes its results',
        'server has results checked',
      ],
    )
  })

  test('5, mutual background check: the client shows itself once the server was appraised', async () => {
    const entries = await diaryOf(
      { attester: attester(), verifier: verifier(), identityKey: bareKeys.client },
      { attester: attester(), verifier: verifier(), ...onlyAttestation },
    )
    assert.deepEqual(
      entries.filter(entry => !/ (sends|reads) /.test(entry)),
      [
        'client opens a session',
        'server opens a session',
        'server makes Evidence',
        'client has Evidence appraised',
        'client makes Evidence',
        'server has Evidence appraised',
      ],
    )
  })
})
