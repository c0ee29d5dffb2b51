import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test, { describe } from 'node:test'
import { ControlKind } from '#src/attestation/hardened/control-message.js'
import { credentialFor, NOW } from '../../support/pair.js'
import { connect, FakeAttester, FakeVerifier, type Pair, type Side, settle } from '../support.js'
import { alterControl } from './support.js'

/*
 * What the Evidence of a connection holds, put together by hand from what the connection came to: the text once more,
 * this time with what goes into it.
 */

const u16 = (n: number) => Buffer.from([n >> 8, n & 255])
const u32 = (n: number) => Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255])
const v8 = (x: Uint8Array) => Buffer.concat([Buffer.from([x.length]), x])
const v16 = (x: Uint8Array) => Buffer.concat([u16(x.length), x])

/** RD of round `seq`, by the text. */
function expected(pair: Pair, attester: Side, seq: number, request: Uint8Array, previous: Uint8Array): Buffer {
  const { established } = pair[attester].connection
  assert.ok(established)
  const { suite, exporter } = established
  const h = (data: Uint8Array) => createHash(suite.hash).update(data).digest()
  const spkis = {
    client: credentialFor('client.test').key.publicKey.spki,
    server: credentialFor('localhost').key.publicKey.spki,
  }
  const context = Buffer.concat([
    v8(Buffer.from('ATLS-H1/1')),
    Buffer.from([attester === 'server' ? 1 : 0, seq === 0 ? 1 : 2]),
    u16(0x0304),
    u16(suite.id),
    u16(established.group),
    u32(seq),
    v8(h(request)),
    v8(established.transcriptHash),
    v8(h(spkis[attester])),
    v8(h(spkis[attester])),
    v8(h(spkis[attester === 'server' ? 'client' : 'server'])),
    v8(Buffer.from('localhost')),
    // CERT_ATTESTATION, MEDIA_TYPE, and the name.
    v16(Buffer.concat([Buffer.from([1, 1]), v16(Buffer.from('application/vnd.attested-tls-test.evidence+json'))])),
    previous,
  ])
  const label = `EXPORTER-ATLS-H1 ${attester} attester`
  const exported = exporter.derive(label, context, 32)
  return createHash('sha512')
    .update(Buffer.concat([Buffer.from('ATLS-H1 report_data\0'), v16(context), exported]))
    .digest()
}

describe('the Evidence of a connection', () => {
  for (const side of ['server', 'client'] as const) {
    test(`of the ${side} holds RD0, then RD over it, and at a renewal RD over that`, async () => {
      const clock = { now: NOW }
      const now = () => clock.now
      const attesters = { client: new FakeAttester(), server: new FakeAttester() }
      const requests: Record<Side, Uint8Array[]> = { client: [], server: [] }
      const end = (own: Side) => ({
        hasCertificate: true,
        now,
        attestation: { profile: 'hardened' as const, attester: attesters[own], verifier: new FakeVerifier() },
        alterPlug: alterControl(message => {
          if (message.kind === ControlKind.request) requests[own].push(Uint8Array.from(message.body))
          return [message]
        }),
      })
      const pair = await connect(end('client'), end('server'))
      assert.equal(pair.client.error ?? pair.server.error, undefined)
      const asker = side === 'server' ? 'client' : 'server'
      clock.now += 20_000
      pair[asker].attested?.renew()
      await settle(pair)
      assert.equal(pair[asker].status?.rounds, 2)

      const [rd0, rd1, rd2] = attesters[side].asked.map(({ challenge }) => Buffer.from(challenge))
      const [first, second] = requests[asker]
      assert.ok(rd0 && rd1 && rd2 && first && second)
      assert.equal(rd0.length, 64)
      assert.deepEqual(rd1, expected(pair, side, 0, first, rd0))
      assert.deepEqual(rd2, expected(pair, side, 1, second, rd1))
    })
  }
})
