import assert from 'node:assert/strict'
import { verify as cryptoVerify, X509Certificate } from 'node:crypto'
import test, { describe } from 'node:test'
import { ControlKind, ControlMessage } from '#src/attestation/hardened/control-message.js'
import { decode } from '#src/bytes/index.js'
import { Eavesdropper } from '../../attacks/eavesdropper.js'
import {
  ACCEPT_LABEL,
  acceptByTheText,
  type Bytes,
  ctxByTheText,
  EKM_LABELS,
  KeyScheduleByTheText,
  rd0ByTheText,
  rdByTheText,
  v16,
} from '../../support/by-the-text.js'
import { credentialFor, NOW } from '../../support/pair.js'
import type { Transport } from '../engine.js'
import { connect, type EndOptions, FakeAttester, FakeVerifier, type Side, settle, TEST_EVIDENCE } from '../support.js'

/*
 * A whole connection by the text: all that is known of it is the messages that passed and the (EC)DHE secret. From these
 * come the key schedule, both exporters, RD0, and CTX, EKM, RD, ACCEPT and the authenticator of every round; they have to
 * be what was asked of the attester and what stood in the messages.
 */

const SERVER_HELLO = 2
const FINISHED = 20
const CONTROL = 248

const spkiOf = (name: string) => credentialFor(name).key.publicKey.spki
const SPKI: Record<Side, Bytes> = { client: spkiOf('client.test'), server: spkiOf('localhost') }
/** CERT_ATTESTATION, MEDIA_TYPE, and the name. */
const EVIDENCE_TYPE = Buffer.concat([Buffer.from([1, 1]), v16(Buffer.from(TEST_EVIDENCE))])

/** Where a message is in the transcript, and after it. */
class Transcript {
  readonly #messages: readonly Bytes[]

  constructor(messages: readonly Bytes[]) {
    this.#messages = messages
  }

  /** The messages up to the last, or the nth, of a type. */
  until(type: number, nth?: number): readonly Bytes[] {
    const places = this.#messages.flatMap((message, at) => (message[0] === type ? [at] : []))
    const at = nth === undefined ? places.at(-1) : places[nth]
    assert.ok(at !== undefined)
    return this.#messages.slice(0, at + 1)
  }

  /** The messages after the handshake, in the order in which they passed. */
  get controls(): readonly ControlMessage[] {
    return this.#messages.flatMap(message =>
      message[0] === CONTROL ? [decode(ControlMessage, message.subarray(4))] : [],
    )
  }
}

function controlOf(transcript: Transcript, kind: number, seq: number): Bytes {
  const found = transcript.controls.find(message => message.kind === kind && message.seq === seq)
  assert.ok(found)
  return found.body
}

interface Round {
  readonly role: Side
  readonly seq: number
  readonly previous: Bytes
}

for (const transport of ['tls', 'dtls'] satisfies Transport[]) {
  for (const [name, suite, groups] of [
    ['SHA-256', 0x1301, {}],
    ['SHA-384, after a HelloRetryRequest', 0x1302, { keyShareGroups: [0x17] }],
  ] as const) {
    describe(`a connection over ${transport}, ${name}`, () => {
      for (const role of ['server', 'client'] as const) {
        test(`the Evidence of the ${role}, in the handshake, after it and at a renewal`, async () => {
          const clock = { now: NOW }
          const now = () => clock.now
          const tapped = new Eavesdropper()
          const attester = new FakeAttester()
          const asker = role === 'server' ? 'client' : 'server'
          const verifier = new FakeVerifier()
          const end = (side: Side): EndOptions => ({
            transport,
            hasCertificate: true,
            now,
            attestation: { profile: 'hardened', ...(side === role ? { attester } : { verifier }) },
          })
          const pair = await connect(
            { ...end('client'), client: { cipherSuites: [suite], ...groups } },
            tapped.on({ ...end('server'), server: { groups: [0x1d] } }),
          )
          assert.equal(pair.client.error ?? pair.server.error, undefined)
          clock.now += 20_000
          pair[asker].attested?.renew()
          await settle(pair)
          assert.equal(pair[asker].status?.rounds, 2)

          const schedule = new KeyScheduleByTheText(suite === 0x1302 ? 'sha384' : 'sha256', transport)
          const transcript = new Transcript(tapped.messages)
          const secret = schedule.handshakeSecret(tapped.secret)
          const [nonce] = verifier.nonces
          assert.ok(nonce)

          // In the handshake: the Handshake Exporter over ClientHello...ServerHello, and RD0.
          const hellos = schedule.transcript(transcript.until(SERVER_HELLO))
          const binder = schedule.handshakeExporter(secret, hellos, 'attestation-binder', nonce, 32)
          const { connection } = pair[role]
          assert.deepEqual(
            binder,
            Buffer.from(connection.exportHandshakeKeyingMaterial('attestation-binder', nonce, 32)),
          )
          const roleNumber = role === 'server' ? 1 : 0
          const rd0 = rd0ByTheText({
            role: roleNumber,
            credentialKind: 1,
            cipherSuite: suite,
            group: 0x1d,
            nonce,
            binder,
            spki: SPKI[role],
            evidenceType: EVIDENCE_TYPE,
          })
          assert.deepEqual(Buffer.from(attester.asked[0]?.challenge ?? []), rd0)

          // After it: the exporter over ClientHello...server Finished; the transcript up to the client's.
          const [serverFinished, clientFinished] = [0, 1].map(nth =>
            schedule.transcript(transcript.until(FINISHED, nth)),
          )
          assert.ok(serverFinished && clientFinished)
          const exporterSecret = schedule.exporterSecret(secret, serverFinished)
          const exported = (label: string, context: Bytes, length: number) =>
            schedule.exporter(exporterSecret, label, context, length)
          const byTheText = ({ seq, previous }: Round) => {
            const request = controlOf(transcript, ControlKind.request, seq)
            const ctx = ctxByTheText({
              role: roleNumber,
              phase: seq === 0 ? 1 : 2,
              version: transport === 'tls' ? 0x0304 : 0xfefc,
              cipherSuite: suite,
              group: 0x1d,
              seq,
              requestHash: schedule.digest(request),
              transcriptHash: clientFinished,
              tlsSpki: schedule.digest(SPKI[role]),
              aikSpki: schedule.digest(SPKI[role]),
              // A client that is not asked for a certificate has shown none.
              relyingPartySpki: role === 'server' ? new Uint8Array() : schedule.digest(SPKI[asker]),
              serverName: Buffer.from('localhost'),
              evidenceType: EVIDENCE_TYPE,
              previous,
            })
            const rd = rdByTheText(ctx, exported(EKM_LABELS[role], ctx, 32))
            const accept = acceptByTheText(schedule, exported(ACCEPT_LABEL, ctx, schedule.length), seq, rd)
            return { request, rd, accept }
          }
          let previous: Bytes = rd0
          for (const seq of [0, 1]) {
            const { request, rd, accept } = byTheText({ role, seq, previous })
            assert.deepEqual(Buffer.from(attester.asked[seq + 1]?.challenge ?? []), rd, `RD of round ${seq}`)
            const accepted = controlOf(transcript, ControlKind.accept, seq)
            assert.deepEqual(Buffer.from(accepted), accept, `ACCEPT of round ${seq}`)
            checkAuthenticator(schedule, exported, role, request, controlOf(transcript, ControlKind.authenticator, seq))
            previous = rd
          }
        })
      }
    })
  }
}

/** An authenticator by RFC 9261 §5.2: the signature and the MAC in it. */
function checkAuthenticator(
  schedule: KeyScheduleByTheText,
  exported: (label: string, context: Bytes, length: number) => Buffer,
  role: Side,
  request: Bytes,
  authenticator: Bytes,
): void {
  const [certificate, signed, finished] = messagesIn(authenticator)
  assert.ok(certificate && signed && finished)
  const none = new Uint8Array()
  const context = exported(`EXPORTER-${role} authenticator handshake context`, none, schedule.length)
  const key = exported(`EXPORTER-${role} authenticator finished key`, none, schedule.length)
  const content = Buffer.concat([
    Buffer.alloc(64, 0x20),
    Buffer.from('Exported Authenticator\0'),
    schedule.digest(context, request, certificate),
  ])
  const { publicKey } = new X509Certificate(
    credentialFor(role === 'server' ? 'localhost' : 'client.test').entries[0]?.data ?? none,
  )
  assert.ok(cryptoVerify('sha256', content, publicKey, signed.subarray(8)))
  const mac = schedule.mac(key, schedule.digest(context, request, certificate, signed))
  assert.deepEqual(Buffer.from(finished.subarray(4)), mac)
}

function messagesIn(bytes: Bytes): readonly Bytes[] {
  const messages: Bytes[] = []
  for (let at = 0; at < bytes.length; ) {
    const [, a = 0, b = 0, c = 0] = bytes.subarray(at)
    const end = at + 4 + ((a << 16) | (b << 8) | c)
    messages.push(bytes.subarray(at, end))
    at = end
  }
  return messages
}
