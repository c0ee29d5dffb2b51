import assert from 'node:assert/strict'
import { MAX_VERIFIER_NONCE, RequestContext } from '#src/attestation/hardened/bytes.js'
import { ControlKind, ControlMessage } from '#src/attestation/hardened/control-message.js'
import { decode, encode, opaque } from '#src/bytes/index.js'
import {
  AuthenticatorExchange,
  type ControlSession,
  type Credential,
  defaultSignatureSchemes,
  type ExtensionValue,
  type Plug,
  receive,
  type Step,
  tableWith,
  until,
} from '#src/handshake/index.js'
import { type Cmw, encodeCmw } from '#src/rats/index.js'
import { alterControl, alterSession } from '../../attestation/hardened/support.js'
import { bareKeys, type EndOptions, type Pair } from '../../attestation/support.js'
import { always, credentialFor } from '../../support/pair.js'
import { deferred } from '../../support/plug.js'
import { attesterOf } from '../../support/simulated.js'
import { assertControl, effectOf, harmless, notSetUp, type Outcome, outcomeOf, refused } from '../outcome.js'
import type { Row, Variant } from '../row.js'
import type { Source, Stage } from '../stage.js'
import { Code, changedVerifier, collecting } from '../tools.js'

/*
 * What a peer does wrong after the handshake, under the profile hardened.
 */

const { request, authenticator, accept } = ControlKind
const NEGOTIATION = (alert: string, by: 'client' | 'server' = 'client') =>
  refused('ERR_ATTESTATION_NEGOTIATION', alert, by)
const REFUSED = refused('ERR_ATTESTATION_REFUSED', 'access_denied')
const DECRYPT = refused('ERR_TLS_DECRYPT_ERROR', 'decrypt_error')
const DECODE = refused('ERR_TLS_DECODE', 'decode_error')
const NOT_ALL = refused('ERR_TLS_DECODE_ERROR', 'decode_error')
const MISMATCH = refused('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate')
const onlyHardened = {
  AO: 'there is nothing after the handshake',
  CA: 'there is nothing after the handshake',
  PP: 'there is nothing after the handshake',
}

/** The server sends its messages changed. */
function server(name: string, due: Outcome, change: (message: ControlMessage) => readonly ControlMessage[]): Variant {
  return {
    name,
    due: { H1: due },
    attack: stage => stage.connect(stage.client(), stage.server({}, { alterPlug: alterControl(change) })),
  }
}

/** Its authenticator alone is changed. */
function authenticating(name: string, due: Outcome, change: (body: Uint8Array) => Uint8Array): Variant {
  return server(name, due, message => [
    message.kind === authenticator ? { ...message, body: change(message.body) } : message,
  ])
}

/** Replaces what a side does after the handshake. */
function scripted(run: (session: ControlSession, exchange: AuthenticatorExchange) => Step<void>) {
  return (plug: Plug): Plug => {
    const { control } = plug
    assert.ok(control)
    const table = tableWith(plug)
    return {
      ...plug,
      control: {
        ...control,
        *run(session) {
          const { side, established } = session
          yield* run(session, new AuthenticatorExchange({ side, established, table }))
        },
      },
    }
  }
}

/** A server that makes its authenticator by hand, correctly signed. */
function answeringWith(credential: () => Credential, session: (real: ControlSession) => ControlSession = real => real) {
  return (stage: Stage): Promise<Pair> => {
    const alterPlug = scripted(function* (real, exchange) {
      const { seq, body } = decode(ControlMessage, (yield* receive(Code.atls_control)).body)
      const made = yield* exchange.authenticate(exchange.readRequest(body), credential(), session(real))
      real.send(encode(ControlMessage, { kind: authenticator, seq, body: made }))
      yield* receive(Code.atls_control)
    })
    return stage.connect(stage.client(), stage.server({}, { alterPlug }))
  }
}

function byHand(name: string, due: Outcome, credential: () => Credential): Variant {
  return { name, due: { H1: due }, attack: answeringWith(credential) }
}

const leaf = () => credentialFor('localhost')
const cmw = (bytes: Uint8Array): ExtensionValue => ({
  type: Code.cmw_attestation,
  data: encode(opaque(1, 0xffff), bytes),
})
const evidence = cmw(encodeCmw({ kind: 'record', type: 'application/x-other', value: Uint8Array.of(1) }))

/** A credential whose entries have these extensions. */
function withEntries(base: Credential, ...extensions: readonly (readonly ExtensionValue[])[]): Credential {
  const [first] = base.entries
  assert.ok(first)
  return { ...base, entries: extensions.map(values => ({ data: first.data, extensions: values })) }
}

interface Request {
  readonly seq: number
  readonly contextSeq: number
  readonly extensions: readonly ExtensionValue[]
}
const EMPTY_CMW = { type: Code.cmw_attestation, data: new Uint8Array() }
const version = (number: number) => ({ type: Code.hardened_attestation, data: Uint8Array.of(number) })
const RIGHT: Request = { seq: 0, contextSeq: 0, extensions: [EMPTY_CMW, version(1)] }

/** A client that makes its request by hand. */
function asking(stage: Stage, { seq, contextSeq, extensions }: Request): EndOptions {
  const alterPlug = scripted(function* (session, exchange) {
    const context = {
      version: 1,
      seq: contextSeq,
      random: session.entropy.bytes(32),
      verifierNonce: new Uint8Array(MAX_VERIFIER_NONCE),
    }
    const made = exchange.request({
      context: encode(RequestContext, context),
      signatureSchemes: defaultSignatureSchemes,
      extensions,
    })
    session.send(encode(ControlMessage, { kind: request, seq, body: made.raw }))
    yield* receive(Code.atls_control)
    yield* receive(Code.atls_control)
  })
  return stage.client({}, { alterPlug })
}

/** A request that the attester must not attest for. */
function wrongRequest(
  name: string,
  alert: string,
  change: Partial<Request>,
  code = 'ERR_ATTESTATION_NEGOTIATION',
): Variant {
  return {
    name,
    due: { H1: refused(code, alert, 'server') },
    async control(stage) {
      const pair = await stage.connect(asking(stage, RIGHT), stage.server())
      assert.equal(pair.server.error, undefined, 'control: one that is right is answered')
    },
    async attack(stage) {
      let made = 0
      const source = stage.honestSource()
      const counting: Source = (asked, index) => {
        made++
        return source(asked, index)
      }
      const pair = await stage.connect(asking(stage, { ...RIGHT, ...change }), stage.impostor(counting))
      assert.equal(made, 1, 'nothing is attested for it')
      return outcomeOf(pair, 'server')
    },
  }
}

/** One end opens its own gate at once, and says what it has to say after the handshake later. */
function rash(stage: Stage, early: 'client' | 'server'): EndOptions {
  return stage.end(
    early,
    'both',
    {},
    {
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
    },
  )
}

/** Both attest, and the client answers with what it has been shown: first it has the server answer.
 *  @param make its authenticator, given the server's and the Evidence in that */
async function givingBack(
  stage: Stage,
  make: (
    exchange: AuthenticatorExchange,
    asked: Uint8Array,
    session: ControlSession,
    theirs: Uint8Array,
    evidence: Cmw,
  ) => Step<Uint8Array>,
): Promise<Outcome> {
  const honest = stage.honestSource()
  let made: Cmw | undefined
  const source: Source = async (asked, index) => {
    made = await honest(asked, index)
    return made
  }
  const alterPlug = scripted(function* (session, exchange) {
    const context = { version: 1, seq: 0, random: session.entropy.bytes(32), verifierNonce: new Uint8Array(32).fill(1) }
    const question = exchange.request({
      context: encode(RequestContext, context),
      signatureSchemes: defaultSignatureSchemes,
      extensions: RIGHT.extensions,
    })
    session.send(encode(ControlMessage, { kind: request, seq: 0, body: question.raw }))
    const messages = [
      decode(ControlMessage, (yield* receive(Code.atls_control)).body),
      decode(ControlMessage, (yield* receive(Code.atls_control)).body),
    ]
    const bodyOf = (kind: number) => messages.find(message => message.kind === kind)?.body ?? assert.fail()
    const body = yield* make(exchange, bodyOf(request), session, bodyOf(authenticator), made ?? assert.fail())
    session.send(encode(ControlMessage, { kind: authenticator, seq: 0, body }))
    yield* receive(Code.atls_control)
  })
  const pair = await stage.connect(
    stage.end('client', 'both', {}, { alterPlug }),
    stage.end('server', 'both', stage.proofBy(source)),
  )
  return outcomeOf(pair, 'server')
}

/** The server's Evidence or results, of the handshake, as the client's own. */
async function reflected(stage: Stage): Promise<Outcome> {
  const { promise: ours, resolve } = deferred<Cmw>()
  const honest = stage.honestSource()
  const source: Source = async (asked, index) => {
    const made = await honest(asked, index)
    resolve(made)
    return made
  }
  const pair = await stage.connect(
    stage.end(
      'client',
      'both',
      stage.proofBy(() => ours),
    ),
    stage.end('server', 'both', stage.proofBy(source)),
  )
  return outcomeOf(pair, 'server')
}

async function bothAttest(stage: Stage): Promise<void> {
  assertControl(await stage.connect(stage.end('client', 'both'), stage.end('server', 'both')), stage.level)
}

/** The acceptance of the client is not what it should be. */
function accepting(
  name: string,
  due: Outcome,
  change: (message: ControlMessage) => readonly ControlMessage[],
): Variant {
  return {
    name,
    due: { H1: due },
    async attack(stage) {
      const careless = alterControl(message => (message.kind === accept ? change(message) : [message]))
      const pair = await stage.connect(stage.client({}, { alterPlug: careless }), stage.server())
      assert.equal(pair.client.data, '', 'the attester keeps the gate')
      return outcomeOf(pair, 'server')
    },
  }
}

/* Compound mode: the certificate signs the handshake, and a key of the TEE attests after it. */

const compound = { identityKey: bareKeys.server }

/** The attacker has a machine of its own for the handshake; after it, only what the honest one said elsewhere. */
async function thief(stage: Stage, identityKey: EndOptions['attestation']): Promise<Pair> {
  const { end, collected } = collecting(stage)
  await stage.connect(end, stage.server(compound))
  const own = attesterOf()
  const source: Source = (asked, index) => (index === 0 ? own.evidence(asked) : (collected[1] ?? assert.fail()))
  return stage.connect(stage.client(), stage.server({ ...stage.proofBy(source), ...identityKey }))
}

async function compoundControl(stage: Stage): Promise<void> {
  assertControl(await stage.connect(stage.client(), stage.server(compound)), 3)
}

export const sessions: readonly Row[] = [
  {
    row: 33,
    attack: 'application data before both sides have accepted each other',
    notTried: onlyHardened,
    variants: (['client', 'server'] as const).map((early): Variant => {
      const late = early === 'client' ? 'server' : 'client'
      return {
        name: `of the ${early}`,
        due: {
          H1: {
            tls: refused('ERR_TLS_UNEXPECTED_MESSAGE', 'unexpected_message', late),
            // Datagrams overtake each other, so that one that comes too early is nobody's fault: it is dropped.
            dtls: harmless(3),
          },
        },
        control: bothAttest,
        async attack(stage) {
          const honest = stage.end(late, 'both')
          const pair =
            early === 'client'
              ? await stage.connect(rash(stage, early), honest)
              : await stage.connect(honest, rash(stage, early))
          assert.equal(pair[late].data, '', 'what came too early did not reach the application')
          await stage.settle(pair)
          return effectOf(pair, late)
        },
      }
    }),
  },
  {
    row: 34,
    attack: 'reflection: both attest, and one gives back what is the other’s, after the handshake',
    notTried: onlyHardened,
    variants: [
      {
        name: 'its Evidence, under a key of its own',
        due: { H1: refused('ERR_ATTESTATION_KEY_MISMATCH', 'illegal_parameter', 'server') },
        control: bothAttest,
        attack: stage =>
          givingBack(stage, function* (exchange, asked, session, _theirs, made) {
            const own = withEntries(credentialFor('client.test'), [cmw(encodeCmw(made))])
            return yield* exchange.authenticate(exchange.readRequest(asked), own, session)
          }),
      },
      {
        name: 'its authenticator, byte for byte',
        due: { H1: refused('ERR_TLS_DECRYPT_ERROR', 'decrypt_error', 'server') },
        control: bothAttest,
        attack: stage =>
          givingBack(stage, function* (_exchange, _asked, _session, theirs) {
            yield* until(Promise.resolve())
            return theirs
          }),
      },
    ],
  },
  {
    row: 35,
    attack: 'reflection in the handshake: the server’s Evidence or results as those of the client',
    variants: [
      {
        due: {
          AO: refused('ERR_ATTESTATION_REFUSED', 'access_denied', 'server'),
          CA: refused('ERR_ATTESTATION_REFUSED', 'access_denied', 'server'),
          PP: refused('ERR_ATTESTATION_REFUSED', 'access_denied', 'server'),
          H1: refused('ERR_ATTESTATION_REFUSED', 'access_denied', 'server'),
        },
        control: bothAttest,
        attack: reflected,
      },
    ],
  },
  {
    row: 36,
    attack: 'an authenticator or Evidence made in the other role',
    notTried: onlyHardened,
    variants: [
      {
        name: 'all of it',
        due: { H1: DECRYPT },
        attack(stage) {
          const alterPlug = (plug: Plug) =>
            scripted(function* (session) {
              const { established } = session
              const { seq, body } = decode(ControlMessage, (yield* receive(Code.atls_control)).body)
              const exchange = new AuthenticatorExchange({ side: 'client', established, table: tableWith(plug) })
              // As if it were a server's request, which is what a client answers.
              const asked = exchange.readRequest(Uint8Array.of(13, ...body.subarray(1)))
              const made = yield* exchange.authenticate(asked, withEntries(leaf(), [evidence]), session)
              session.send(encode(ControlMessage, { kind: authenticator, seq, body: made }))
              yield* receive(Code.atls_control)
            })(plug)
          return stage.connect(stage.client(), stage.server({}, { alterPlug }))
        },
      },
      {
        name: 'the label of the exporter alone',
        due: { H1: REFUSED },
        attack: stage => {
          const alterPlug = alterSession(session => ({
            ...session,
            established: {
              ...session.established,
              exporter: swappedLabels(session.established.exporter),
            },
          }))
          return stage.connect(stage.client(), stage.server({}, { alterPlug }))
        },
      },
    ],
  },
  {
    row: 38,
    attack: 'the authenticator of another connection of the same peers',
    notTried: onlyHardened,
    variants: [
      {
        due: { H1: DECRYPT },
        async attack(stage) {
          let earlier: ControlMessage | undefined
          const keep = alterControl(message => {
            earlier ??= message.kind === authenticator ? message : undefined
            return [message]
          })
          assertControl(await stage.connect(stage.client(), stage.server({}, { alterPlug: keep })))
          const replay = alterControl(message => (message.kind === authenticator && earlier ? [earlier] : [message]))
          return stage.connect(stage.client(), stage.server({}, { alterPlug: replay }))
        },
      },
    ],
  },
  {
    row: 39,
    attack: 'messages that answer nothing, and requests that may not be made',
    notTried: onlyHardened,
    variants: [
      {
        name: 'an authenticator twice',
        due: { H1: NEGOTIATION('unexpected_message') },
        async attack(stage) {
          const alterPlug = alterControl(message => (message.kind === authenticator ? [message, message] : [message]))
          return outcomeOf(await stage.connect(stage.client(), stage.server({}, { alterPlug })), 'client', true)
        },
      },
      server('an authenticator under another number', NEGOTIATION('unexpected_message'), message => [
        message.kind === authenticator ? { ...message, seq: 1 } : message,
      ]),
      server('a request in a direction that nothing was agreed on for', NEGOTIATION('unexpected_message'), message => [
        message.kind === authenticator ? { ...message, kind: request } : message,
      ]),
      ...[0, 5].map(
        (kind): Variant => ({
          name: `a message of kind ${kind}`,
          due: { H1: DECODE },
          attack: stage => {
            const alterPlug = alterSession(session => ({
              ...session,
              send: body => session.send(Uint8Array.of(kind, ...body.subarray(1))),
            }))
            return stage.connect(stage.client(), stage.server({}, { alterPlug }))
          },
        }),
      ),
      wrongRequest('a request that does not begin with 0', 'illegal_parameter', { seq: 1, contextSeq: 1 }),
      wrongRequest('a request with two numbers', 'illegal_parameter', { contextSeq: 1 }),
      wrongRequest('a request of another version', 'illegal_parameter', { extensions: [EMPTY_CMW, version(2)] }),
      wrongRequest(
        'a request without the profile',
        'missing_extension',
        { extensions: [EMPTY_CMW] },
        'ERR_TLS_MISSING_EXTENSION',
      ),
      wrongRequest(
        'a request that does not ask for Evidence',
        'missing_extension',
        { extensions: [version(1)] },
        'ERR_TLS_MISSING_EXTENSION',
      ),
      {
        name: 'no request at all',
        due: { H1: refused('ERR_ATTESTATION_TIMEOUT', 'access_denied', 'server') },
        async attack(stage) {
          const silent = alterControl(() => [])
          const pair = await stage.connect(stage.client({}, { alterPlug: silent }), stage.server())
          assert.equal(pair.server.error, undefined)
          pair.server.timers.fire()
          await stage.settle(pair)
          return outcomeOf(pair, 'server')
        },
      },
    ],
  },
  {
    row: 40,
    attack: 'an authenticator of another key, or with something else in it than Evidence',
    notTried: onlyHardened,
    variants: [
      byHand('of another certificate of the same authority', MISMATCH, () =>
        withEntries(credentialFor('other.test'), [evidence]),
      ),
      byHand('of a bare key with something behind it', MISMATCH, () =>
        withEntries({ ...leaf(), entries: [{ data: leaf().key.publicKey.spki, extensions: [] }] }, [evidence], []),
      ),
      byHand('of the right certificate, signed by another key', DECRYPT, () => ({
        ...withEntries(leaf(), [evidence]),
        key: { ...partsOf(bareKeys.server), publicKey: leaf().key.publicKey },
      })),
      byHand('without Evidence', refused('ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate'), () =>
        withEntries(leaf(), []),
      ),
      byHand('with another type of it', refused('ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate'), () =>
        withEntries(leaf(), [evidence]),
      ),
      byHand('with something that is no CMW', refused('ERR_ATTESTATION_MALFORMED', 'bad_certificate'), () =>
        withEntries(leaf(), [cmw(Uint8Array.of(0xff))]),
      ),
      byHand('with Evidence beside an issuer too', NEGOTIATION('illegal_parameter'), () =>
        withEntries(leaf(), [evidence], [evidence]),
      ),
      {
        name: 'with Evidence that speaks for another key',
        due: { H1: MISMATCH },
        attack: stage => {
          const other = bareKeys.client.publicKey.spki
          const verifier = changedVerifier(stage.verifier(), (result, index) =>
            index === 1 ? { ...result, attestedKey: other } : result,
          )
          return stage.connect(stage.client({ verifier }), stage.server())
        },
      },
    ],
  },
  {
    row: 41,
    attack: 'an authenticator that was tampered with',
    notTried: onlyHardened,
    variants: [
      authenticating('cut short', NOT_ALL, body => body.subarray(0, -1)),
      authenticating('with something behind it', NOT_ALL, body => Uint8Array.of(...body, 0)),
      authenticating('with another signature', DECRYPT, body => flipped(body, -50)),
      authenticating('with another Finished', DECRYPT, body => flipped(body, -1)),
      authenticating('with another context', DECRYPT, body => flipped(body, 20)),
    ],
  },
  {
    row: 45,
    attack: 'the acceptance',
    notTried: onlyHardened,
    variants: [
      accepting('forged', NEGOTIATION('decrypt_error', 'server'), m => [{ ...m, body: flipped(m.body, 0) }]),
      accepting('cut short', NEGOTIATION('decrypt_error', 'server'), m => [{ ...m, body: m.body.subarray(1) }]),
      accepting('empty', NEGOTIATION('decrypt_error', 'server'), m => [{ ...m, body: new Uint8Array() }]),
      accepting('under another number', NEGOTIATION('unexpected_message', 'server'), m => [{ ...m, seq: 1 }]),
      accepting('twice', NEGOTIATION('unexpected_message', 'server'), m => [m, m]),
      {
        name: 'missing, and data in its place',
        due: {
          H1: {
            tls: refused('ERR_TLS_UNEXPECTED_MESSAGE', 'unexpected_message', 'server'),
            // A datagram that comes too early is dropped: the server waits as long as it does for anybody.
            dtls: refused('ERR_ATTESTATION_TIMEOUT', 'access_denied', 'server'),
          },
        },
        async attack(stage) {
          const silent = alterControl(message => (message.kind === accept ? [] : [message]))
          const pair = await stage.connect(stage.client({}, { alterPlug: silent }), stage.server())
          if (!pair.server.error) pair.server.timers.fire()
          await stage.settle(pair)
          assert.equal(pair.client.data, '', 'the attester keeps the gate')
          return outcomeOf(pair, 'server')
        },
      },
    ],
  },
  {
    row: 55,
    attack: 'compound mode: keys are stolen',
    notTried: onlyHardened,
    variants: [
      {
        name: 'that of the certificate',
        due: { H1: REFUSED },
        control: compoundControl,
        attack: stage => thief(stage, { identityKey: bareKeys.client }),
      },
      {
        name: 'the one that attests',
        due: { H1: { is: 'not set up', code: 'ERR_ATTESTATION_CONFIG' } },
        control: compoundControl,
        attack: stage =>
          notSetUp(() => stage.connect(stage.client(), stage.server(compound, { hasCertificate: false }))),
      },
      {
        name: 'the one that attests, beside a certificate for another name',
        due: { H1: refused('ERR_X509_NAME_MISMATCH', 'bad_certificate') },
        control: compoundControl,
        attack: stage =>
          stage.connect(
            stage.client(),
            stage.server(compound, { server: { credentials: always(credentialFor('other.test')) } }),
          ),
      },
      {
        name: 'both',
        due: { H1: REFUSED },
        control: compoundControl,
        attack: stage => thief(stage, compound),
      },
    ],
  },
]

/** An exporter that is asked for the label of the other role. */
function swappedLabels(exporter: ControlSession['established']['exporter']): ControlSession['established']['exporter'] {
  return Object.assign(Object.create(exporter), {
    derive: (label: string, context: Uint8Array, length: number) =>
      exporter.derive(label.replace('server attester', 'client attester'), context, length),
  })
}

/** With one bit changed. @param at from the end, if negative */
function flipped(body: Uint8Array, at: number): Uint8Array {
  const index = at < 0 ? body.length + at : at
  return body.map((byte, i) => (i === index ? byte ^ 1 : byte))
}

function partsOf({ publicKey, schemes, sign }: Credential['key']) {
  return { publicKey, schemes, sign: sign.bind(bareKeys.server) }
}
