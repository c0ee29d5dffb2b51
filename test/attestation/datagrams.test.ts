import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deferred } from '../support/plug.js'
import { type Case, cases, checkOwn, checkPeer, needsCertificate, optionsFor } from './cases.js'
import { datagramPair, longAttester } from './datagram-support.js'
import { type EndOptions, FakeAttester, FakeVerifier, type Side, tickets } from './support.js'

function endsOf(subject: Case, attester = () => new FakeAttester()): Readonly<Record<Side, EndOptions>> {
  const end = (side: Side): EndOptions => ({
    attestation: optionsFor(subject, side, attester()),
    hasCertificate: needsCertificate(subject, side),
  })
  return { client: end('client'), server: end('server') }
}

const background: Case = {
  name: 'both',
  client: { model: 'background-check', credential: 'x509' },
  server: { model: 'background-check', credential: 'x509' },
}

describe('all combinations of draft-fossati-tls-attestation-08 §1 over DTLS 1.3', () => {
  for (const subject of cases) {
    test(subject.name, async () => {
      const { pair, client, server } = datagramPair(endsOf(subject))
      await pair.run()
      assert.equal(pair.client.error, undefined)
      assert.equal(pair.server.error, undefined)
      pair.write('client', 'data of the client')
      pair.write('server', 'data of the server')
      await pair.settle()
      assert.deepEqual(pair.client.messages, ['data of the server'])
      assert.deepEqual(pair.server.messages, ['data of the client'])
      checkPeer(client, subject.server)
      checkPeer(server, subject.client)
      checkOwn(client, subject.client)
      checkOwn(server, subject.server)
    })
  }
})

describe('Evidence of 16 KiB', () => {
  test('crosses a path of 1,200 octets that loses 10 %, from both sides, and is made once', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const attesters: FakeAttester[] = []
      const ends = endsOf(background, () => {
        const attester = longAttester()
        attesters.push(attester)
        return attester
      })
      const { pair, client, server } = datagramPair(ends, { seed, loss: 0.1, reordering: 0.1 })
      await pair.run()
      assert.equal(pair.client.error, undefined)
      assert.equal(pair.server.error, undefined)
      assert.equal(client?.isAttested, true)
      assert.equal(server?.isAttested, true)
      assert.deepEqual(
        attesters.map(({ asked }) => asked.length),
        [1, 1],
      )
      for (const { sent } of [pair.client, pair.server])
        assert.ok(sent.every(({ datagram }) => datagram.length <= 1200))
    }
  })
})

describe('a Verifier that takes seconds', () => {
  for (const loss of [0, 0.1, 0.3]) {
    test(`is waited for, at ${loss * 100} % loss: one quote, one appraisal, no storm`, async () => {
      for (let seed = 1; seed <= 5; seed++) {
        const answer = deferred<void>()
        const attester = longAttester()
        const patient = new FakeVerifier()
        const verifier = new FakeVerifier({
          appraise: async submission => {
            await answer.promise
            const session = await patient.newSession({ signal: new AbortController().signal })
            return session.appraise(submission)
          },
        })
        const { pair, client } = datagramPair(
          {
            client: { attestation: { verifier, peerCredentials: ['x509'] } },
            server: { attestation: { attester, ownCredentials: ['x509'] } },
          },
          { seed, loss },
        )
        pair.after(20_000, () => answer.resolve())
        await pair.run()
        assert.equal(pair.client.error, undefined)
        assert.equal(pair.server.error, undefined)
        assert.equal(client?.isAttested, true)
        assert.equal(attester.asked.length, 1)
        assert.equal(verifier.appraised.length, 1)
        assert.ok(pair.now >= 20_000)
        // A quote of some fifteen datagrams, and what losing some of them costs.
        const count = pair.client.sent.length + pair.server.sent.length
        assert.ok(count < (loss < 0.3 ? 60 : 100), `${count} datagrams`)
      }
    })
  }

  test('is not waited for any longer when the peer has given up', async () => {
    const verifier = new FakeVerifier({ appraise: () => new Promise(() => undefined) })
    const { pair } = datagramPair({
      client: { attestation: { verifier, peerCredentials: ['x509'] } },
      server: { attestation: { attester: new FakeAttester(), ownCredentials: ['x509'] } },
    })
    pair.after(5000, () => pair.server.connection.close())
    await pair.run()
    assert.equal(pair.client.connection.state, 'closed')
    assert.equal(pair.client.connection.signal.aborted, true)
  })
})

describe('a peer whose Evidence is not good', () => {
  test('is refused over datagrams too, and told why', async () => {
    const { pair, client } = datagramPair({
      client: { attestation: { verifier: new FakeVerifier(), peerCredentials: ['x509'] } },
      server: { attestation: { attester: new FakeAttester({ measurement: 'bad' }), ownCredentials: ['x509'] } },
    })
    await pair.run()
    assert.equal(client?.isAttested, false)
    assert.ok(pair.client.error)
    assert.ok(pair.server.error)
    assert.equal(pair.client.connection.state, 'closed')
  })
})

test('an attested session is resumed over datagrams', async () => {
  const issuer = tickets()
  const ends = endsOf(background)
  const { pair } = datagramPair({ ...ends, server: { ...ends.server, server: { tickets: issuer } } })
  await pair.run()
  assert.equal(pair.client.sessions.length, 1)
})
