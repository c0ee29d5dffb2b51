import assert from 'node:assert/strict'
import { createHash, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto'
import { hash, systemEntropy } from '#src/crypto/index.js'
import type { ControlSession, Plug, PlugOffer } from '#src/handshake/index.js'
import { alterSession } from '../../attestation/hardened/support.js'
import { alterAnswer, alterOffer, withData } from '../../attestation/hostile.js'
import type { EndOptions } from '../../attestation/support.js'
import { EKM_LABELS, KeyScheduleByTheText, rd0ByTheText, rdByTheText } from '../../support/by-the-text.js'
import { credentialFor } from '../../support/pair.js'
import { Eavesdropper } from '../eavesdropper.js'
import { assertControl, effectOf, harmless, type Outcome, outcomeOf, refused, works } from '../outcome.js'
import type { Row, Variant } from '../row.js'
import type { Source, Stage } from '../stage.js'
import { Code, changedVerifier, fetchFrom, replaced, watching } from '../tools.js'

/*
 * Nonces, key shares, HelloRetryRequest, and Evidence that was made for another protocol.
 */

const everywhere = (outcome: Outcome): Record<'AO' | 'CA' | 'PP' | 'H1', Outcome> => ({
  AO: outcome,
  CA: outcome,
  PP: outcome,
  H1: outcome,
})
const forEvidence = (outcome: Outcome) => ({ AO: outcome, CA: outcome, H1: outcome })
const REFUSED = refused('ERR_ATTESTATION_REFUSED', 'access_denied')
const ILLEGAL = refused('ERR_TLS_ILLEGAL_PARAMETER', 'illegal_parameter')
const P256 = 0x0017
const X25519 = 0x001d
const P521 = 0x0019
const NO_SHARE = refused('ERR_TLS_KEY_SHARE', 'illegal_parameter')
const NO_NONCE = { PP: 'results have no nonce' }

/** Our own Verifier gives out bad nonces. */
function weakNonce(name: string, nonce: (stage: Stage) => Uint8Array, connections = 1): Variant {
  return {
    name,
    due: forEvidence(refused('ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error')),
    async attack(stage) {
      const verifier = changedVerifier(
        stage.verifier(),
        result => result,
        () => nonce(stage),
      )
      const first = await stage.connect(stage.client({ verifier }), stage.server())
      if (connections === 1 || first.client.error) return outcomeOf(first)
      // What was used once must not be used again, on this connection or on the next.
      return outcomeOf(await stage.connect(stage.client({ verifier }), stage.server()))
    },
  }
}

/** The client asks with another nonce than it should. */
function asking(change: (data: Uint8Array) => Uint8Array) {
  return async (stage: Stage) => {
    const alter = alterOffer(offer => withData(offer, Code.evidence_request, change))
    // A client reads its own ClientHello back: this one knows of no extension that could be wrong.
    const alterPlug = (plug: Plug): Plug => ({ ...alter(plug), extensions: [] })
    return outcomeOf(await stage.connect(stage.client({}, { alterPlug }), stage.server()), 'server')
  }
}

/** An evidence_request with this many bytes of nonce. */
function cutNonce(length: number) {
  return (data: Uint8Array) => {
    const at = 1 + (data[0] ?? 0)
    return Uint8Array.of(...data.subarray(0, at), length, ...data.subarray(at + 1, at + 1 + length))
  }
}

/* A client that sends no usable key share is told to send another. */
const retrying = {
  client: (stage: Stage, changes: Parameters<Stage['client']>[1] = {}) =>
    stage.client({}, { client: { keyShareGroups: [P256] }, ...changes }),
  server: { groups: [X25519] },
}

async function retried(stage: Stage): Promise<void> {
  const pair = await stage.connect(retrying.client(stage), stage.server({}, { server: retrying.server }))
  assertControl(pair, stage.level)
  assert.equal(pair.client.connection.established?.isRetried, true)
}

/** The attacker's Evidence is over another reading of ClientHello...ServerHello than RFC 8446 §4.4.1 has. */
function reading(
  name: string,
  read: (first: Uint8Array, retry: Uint8Array, second: Uint8Array, server: Uint8Array) => readonly Uint8Array[],
): Variant {
  return {
    name,
    due: { CA: REFUSED, H1: REFUSED },
    control: retried,
    attack(stage) {
      const tapped = new Eavesdropper()
      const source = stage.honestSource()
      const other: Source = (request, index) => {
        if (index > 0) return source(request, index)
        const [first, retry, second, server] = tapped.until(2)
        assert.ok(first && retry && second && server)
        const right = challengeOver(stage, stage.isHardened, tapped, schedule =>
          schedule.transcript([first, retry, second, server]),
        )
        assert.deepEqual(right, Buffer.from(request.challenge), 'by the text it is what our own stack has')
        const wrong = challengeOver(stage, stage.isHardened, tapped, schedule =>
          schedule.digest(...read(first, retry, second, server)),
        )
        return source({ ...request, challenge: wrong }, index)
      }
      const impostor = tapped.on(stage.impostor(other))
      const server: EndOptions = { ...impostor, server: { ...impostor.server, ...retrying.server } }
      return stage.connect(retrying.client(stage), server)
    },
  }
}

/** The challenge of the Evidence in the handshake, by the text, over any transcript hash. */
function challengeOver(
  stage: Stage,
  isHardened: boolean,
  tapped: Eavesdropper,
  transcript: (schedule: KeyScheduleByTheText) => Uint8Array,
): Buffer {
  const schedule = scheduleOf(stage, tapped)
  const nonce = nonceIn(tapped)
  const secret = schedule.handshakeSecret(tapped.secret)
  const binder = schedule.handshakeExporter(secret, transcript(schedule), 'attestation-binder', nonce, 32)
  if (!isHardened) return binder
  return rd0ByTheText({
    role: 1,
    credentialKind: 1,
    cipherSuite: suiteIn(tapped),
    group: X25519,
    nonce,
    binder,
    spki: credentialFor('localhost').key.publicKey.spki,
    evidenceType: extensionIn(tapped.until(8).at(-1), Code.evidence_request),
  }).subarray(0, 32)
}

function suiteIn(tapped: Eavesdropper): number {
  const hello = tapped.until(2).at(-1)
  assert.ok(hello)
  const at = 39 + (hello[38] ?? 0)
  return ((hello[at] ?? 0) << 8) | (hello[at + 1] ?? 0)
}

function scheduleOf(stage: Stage, tapped: Eavesdropper): KeyScheduleByTheText {
  return new KeyScheduleByTheText(suiteIn(tapped) === 0x1302 ? 'sha384' : 'sha256', stage.transport)
}

function nonceIn(tapped: Eavesdropper): Uint8Array {
  return extensionIn(tapped.messages[0], Code.evidence_request).subarray(-32)
}

/** The data of an extension of a message. */
function extensionIn(message: Uint8Array | undefined, type: number): Uint8Array {
  assert.ok(message)
  const at = Buffer.from(message).indexOf(Buffer.from([type >> 8, type & 255]))
  assert.ok(at >= 0)
  const length = ((message[at + 2] ?? 0) << 8) | (message[at + 3] ?? 0)
  return message.subarray(at + 4, at + 4 + length)
}

/** The server's half of the key exchange is not one. */
function shareOf(group: number, keyExchange: Uint8Array): Variant['attack'] {
  return stage => {
    const entropy = { ...systemEntropy, answerKeyShare: () => ({ keyExchange, secret: new Uint8Array(32) }) }
    return stage.connect(
      stage.client({}, { client: { groups: [group], keyShareGroups: [group] } }),
      stage.server({}, { server: { entropy, groups: [group] } }),
    )
  }
}

/** A server that has one ephemeral key for all connections. */
function reusing() {
  // Not a key share of the product, which serves one key exchange.
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  const keyExchange = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  return {
    ...systemEntropy,
    answerKeyShare: (_group: number, peer: Uint8Array) => {
      const x = Buffer.from(peer).toString('base64url')
      const theirs = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
      return { keyExchange, secret: diffieHellman({ privateKey, publicKey: theirs }) }
    },
  }
}

/* What other protocols have signed. The keys and the session are the same; only what is under the signature is not. */

type Elsewhere = (stage: Stage, tapped: Eavesdropper, spki: Uint8Array, challenge: Uint8Array) => Uint8Array

/** Evidence that was made for another protocol in the same session. */
function crossing(name: string, due: Variant['due'], make: Elsewhere): Variant {
  return {
    name,
    due,
    attack(stage) {
      const tapped = new Eavesdropper()
      const source = stage.honestSource()
      const other: Source = (request, index) =>
        source(
          index === 0 ? { ...request, challenge: make(stage, tapped, request.key.spki, request.challenge) } : request,
          index,
        )
      return stage.connect(stage.client(), tapped.on(stage.impostor(other)))
    },
  }
}

/** The same, for what rests on the exporter of the finished handshake. */
function crossingAfter(
  name: string,
  make: (session: ControlSession, context: Uint8Array, spki: Uint8Array) => Uint8Array,
): Variant {
  return {
    name,
    due: { H1: REFUSED },
    attack(stage) {
      let session: ControlSession | undefined
      const tapped = new Eavesdropper()
      const source = stage.honestSource()
      const other: Source = (request, index) => {
        if (index === 0) return source(request, index)
        const asked = tapped.messages.findLast(([type]) => type === Code.atls_control)
        assert.ok(session && asked)
        // Header, kind, number and length of the message; then header and context of the request.
        const context = asked.subarray(17, 17 + (asked[16] ?? 0))
        return source({ ...request, challenge: make(session, context, request.key.spki).subarray(0, 32) }, index)
      }
      const alterPlug = alterSession(real => {
        session = real
        return real
      })
      return stage.connect(stage.client(), tapped.on({ ...stage.impostor(other), alterPlug }))
    },
  }
}

const sha256 = (...parts: readonly Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
const sha512 = (...parts: readonly Uint8Array[]) => createHash('sha512').update(Buffer.concat(parts)).digest()

export const handshakes: readonly Row[] = [
  {
    row: 27,
    attack: 'nonces that are short, known, or used before',
    notTried: NO_NONCE,
    variants: [
      weakNonce('our Verifier’s is short', stage => new Uint8Array(stage.isHardened ? 31 : 7).fill(7)),
      weakNonce('our Verifier’s is zero', () => new Uint8Array(32)),
      weakNonce('our Verifier’s is the same again', () => new Uint8Array(32).fill(7), 2),
      {
        name: 'the peer’s has 31 bytes',
        due: { AO: works(1), CA: works(2), H1: refused('ERR_ATTESTATION_NEGOTIATION', 'illegal_parameter', 'server') },
        control: async () => undefined,
        attack: async stage => {
          // Under draft08 it is the one who asks that a short nonce hurts.
          if (stage.isHardened) return asking(cutNonce(31))(stage)
          const verifier = changedVerifier(stage.verifier(), result => result, shortNonces())
          return stage.connect(stage.client({ verifier }), stage.server())
        },
      },
      {
        name: 'the peer’s has 7 bytes',
        due: forEvidence(refused('ERR_TLS_DECODE', 'decode_error', 'server')),
        attack: asking(cutNonce(7)),
      },
      {
        name: 'ours, sent back as that of the other direction',
        due: forEvidence(refused('ERR_ATTESTATION_NEGOTIATION', 'illegal_parameter')),
        attack: stage => {
          const nonces: Uint8Array[] = []
          const alterPlug = alterAnswer(answer =>
            withData(answer, Code.evidence_proposal, data =>
              Uint8Array.of(...data.subarray(0, -32), ...(nonces[0] ?? [])),
            ),
          )
          return stage.connect(
            stage.end('client', 'both', watching(stage, nonces)),
            stage.end('server', 'both', {}, { alterPlug }),
          )
        },
      },
    ],
  },
  {
    row: 28,
    attack: 'HelloRetryRequest',
    variants: [
      {
        name: 'what the client asks with changes in its second ClientHello',
        due: everywhere(refused('ERR_TLS_ILLEGAL_PARAMETER', 'illegal_parameter', 'server')),
        control: retried,
        async attack(stage) {
          let hellos = 0
          const type = stage.profile === 'PP' ? Code.results_request : Code.evidence_request
          const alterPlug = alterOffer((offer): PlugOffer => {
            const changed = withData(offer, type, data =>
              data.map((byte, i) => (i === data.length - 1 ? byte ^ 1 : byte)),
            )
            return {
              ...offer,
              get extensions() {
                return hellos++ === 0 ? offer.extensions : changed.extensions
              },
            }
          })
          const pair = await stage.connect(
            retrying.client(stage, { alterPlug }),
            stage.server({}, { server: retrying.server }),
          )
          assert.equal(hellos, 2)
          return outcomeOf(pair, 'server')
        },
      },
      reading('the Evidence is over the second ClientHello and ServerHello', (_first, _retry, second, server) => [
        second,
        server,
      ]),
      reading('the Evidence is over the messages as they were sent', (...all) => all),
      reading('the Evidence is over the first ClientHello and ServerHello', (first, _retry, _second, server) => [
        first,
        server,
      ]),
      reading('the Evidence is over the second ClientHello alone', (_first, _retry, second) => [second]),
    ],
  },
  {
    row: 29,
    attack: 'a key exchange that can be steered',
    variants: [
      {
        name: 'a group that was not offered is selected',
        due: everywhere(ILLEGAL),
        attack: stage => {
          const share = (group: number) => Uint8Array.of(0, 51, 0, 36, 0, group, 0, 32)
          return stage.connect(stage.client(), stage.server({}, { tamper: replaced(share(X25519), share(0x1e)) }))
        },
      },
      { name: 'all zeros for X25519', due: everywhere(NO_SHARE), attack: shareOf(X25519, new Uint8Array(32)) },
      {
        name: 'a point of low order for X25519',
        due: everywhere(NO_SHARE),
        attack: shareOf(
          X25519,
          Uint8Array.from({ length: 32 }, (_, i) => Number(i === 0)),
        ),
      },
      {
        name: 'a point beside the curve for P-256',
        due: everywhere(NO_SHARE),
        attack: shareOf(
          P256,
          Uint8Array.from({ length: 65 }, (_, i) => (i === 0 ? 4 : 1)),
        ),
      },
      {
        name: 'another group after HelloRetryRequest',
        due: everywhere(ILLEGAL),
        control: retried,
        attack: stage => {
          // HelloRetryRequest names its group without a share; ServerHello has one.
          const tamper = replaced(Uint8Array.of(0, 51, 0, 36, 0, X25519), Uint8Array.of(0, 51, 0, 36, 0, P256))
          return stage.connect(retrying.client(stage), stage.server({}, { server: retrying.server, tamper }))
        },
      },
      {
        name: 'a group that the profile does not take',
        due: { H1: refused('ERR_ATTESTATION_NEGOTIATION', 'insufficient_security') },
        attack: stage => {
          const groups = { groups: [P521], keyShareGroups: [P521] }
          // The server does not mind.
          return stage.connect(stage.client({}, { client: groups }), {
            ...stage.server({}, { server: { groups: [P521] } }),
            alterPlug: plug => ({
              ...plug,
              answer: (hs, authenticator) =>
                plug.answer(Object.create(hs, { group: { value: X25519 } }), authenticator),
            }),
          })
        },
      },
    ],
  },
  {
    row: 30,
    attack: 'a server that has the same ephemeral key for all connections',
    variants: [
      {
        name: 'and replays what it proved before',
        due: { AO: REFUSED, CA: REFUSED, PP: works(1), H1: REFUSED },
        async attack(stage) {
          const entropy = reusing()
          const earlier = await fetchFrom(stage, stage.server({}, { server: { entropy } }))
          return stage.connect(
            stage.client(),
            stage.impostor((_request, index) => earlier[index] ?? assert.fail(), { server: { entropy } }),
          )
        },
      },
      {
        name: 'and is honest otherwise: it is not noticed, and costs the server its forward secrecy alone',
        due: { AO: harmless(1), CA: harmless(2), PP: harmless(1), H1: harmless(3) },
        async attack(stage) {
          const entropy = reusing()
          await stage.connect(stage.client(), stage.server({}, { server: { entropy } }))
          return effectOf(await stage.connect(stage.client(), stage.server({}, { server: { entropy } })))
        },
      },
    ],
  },
  {
    row: 37,
    attack: 'Evidence that was made for another protocol, for the same key in the same session',
    notTried: { PP: 'results hold nothing of a session' },
    variants: [
      crossing('RA-TLS: the hash of the key', forEvidence(REFUSED), (_stage, _tapped, spki) => sha256(spki)),
      crossing(
        'early attestation: ClientHello...ServerHello and the key',
        forEvidence(REFUSED),
        (stage, tapped, spki) => {
          const schedule = scheduleOf(stage, tapped)
          const { length } = schedule
          const base = schedule.expandLabel(
            Buffer.alloc(length),
            'attestation base',
            schedule.transcript(tapped.until(2)),
            length,
          )
          return schedule.expandLabel(base, 'attestation', schedule.digest(spki), 32)
        },
      ),
      crossing('draft08 beside X.509', { AO: REFUSED, H1: REFUSED }, (stage, tapped) => {
        const schedule = scheduleOf(stage, tapped)
        const secret = schedule.handshakeSecret(tapped.secret)
        return schedule.handshakeExporter(
          secret,
          schedule.transcript(tapped.until(2)),
          'attestation-binder',
          nonceIn(tapped),
          32,
        )
      }),
      crossing('draft08 in place of a certificate: the nonce', { CA: REFUSED, H1: REFUSED }, (_stage, tapped) =>
        nonceIn(tapped),
      ),
      crossing('hardened, in the handshake', { CA: REFUSED }, (stage, tapped) => {
        return challengeOver(stage, true, tapped, schedule => schedule.transcript(tapped.until(2)))
      }),
      crossingAfter(
        'an exporter and the key, without a role: draft-fossati-seat-expat',
        ({ established }, context, spki) =>
          hash(established.suite.hash, spki, established.exporter.derive('Attestation', context, 32)),
      ),
      crossingAfter('an exporter, the key and the context, of a vendor’s own', ({ established }, context, spki) =>
        sha512(sha256(spki), context, established.exporter.derive('EXPORTER-privasys-ratls-attest-v2', context, 32)),
      ),
      crossingAfter('hardened, without the context of the request', ({ established }) =>
        rdByTheText(new Uint8Array(), established.exporter.derive(EKM_LABELS.server, new Uint8Array(), 32)),
      ),
    ],
  },
]

/** Nonces of 31 bytes that are new each time. */
function shortNonces() {
  return () => systemEntropy.bytes(31)
}
