import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { MAX_VERIFIER_NONCE, RequestContext } from '#src/attestation/hardened/bytes.js'
import { ControlKind, ControlMessage } from '#src/attestation/hardened/control-message.js'
import { decode, encode, opaque } from '#src/bytes/index.js'
import type { SigningKey } from '#src/crypto/index.js'
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
} from '#src/handshake/index.js'
import { encodeCmw } from '#src/rats/index.js'
import { alterControl, hardenedEnd, withAttestation } from '../attestation/hardened/support.js'
import { alterOffer } from '../attestation/hostile.js'
import { bareKeys, connect, type EndOptions, type Pair, settle } from '../attestation/support.js'
import { alertOf, credentialFor } from '../support/pair.js'
import { attesterOf, NOON, verifierOf } from '../support/simulated.js'
import { assertControl, assertRefused, changedVerifier } from './support.js'

/*
 * Peers that make their messages after the handshake by hand: each check of the profile hardened that no tampering with
 * an honest message reaches has its attack here.
 */

const CONTROL = 248
const CMW = 0xff00

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

/** A server that answers with this credential, correctly signed. */
function answeringWith(credential: Credential): EndOptions {
  return hardenedEnd('server', 'server', {
    alterPlug: scripted(function* (session, exchange) {
      const { seq, body } = decode(ControlMessage, (yield* receive(CONTROL)).body)
      const authenticator = yield* exchange.authenticate(exchange.readRequest(body), credential, session)
      session.send(encode(ControlMessage, { kind: ControlKind.authenticator, seq, body: authenticator }))
      yield* receive(CONTROL)
    }),
  })
}

const leaf = () => credentialFor('localhost')
const evidence = (type = 'application/x-other', bytes: Uint8Array = Uint8Array.of(1)): ExtensionValue => ({
  type: CMW,
  data: encode(opaque(1, 0xffff), encodeCmw({ kind: 'record', type, value: bytes })),
})

function withEntries(base: Credential, ...extensions: readonly (readonly ExtensionValue[])[]): Credential {
  const [first] = base.entries
  assert.ok(first)
  return { ...base, entries: extensions.map(values => ({ data: first.data, extensions: values })) }
}

describe('authenticators made by hand', () => {
  const demands = () => hardenedEnd('client', 'server')
  const wrong: readonly [name: string, credential: () => Credential, code: string, alert: string][] = [
    ['without Evidence', () => withEntries(leaf(), []), 'ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate'],
    [
      'with another type of it',
      () => withEntries(leaf(), [evidence()]),
      'ERR_ATTESTATION_WRONG_TYPE',
      'bad_certificate',
    ],
    [
      'with something that is no CMW',
      () => withEntries(leaf(), [{ type: CMW, data: Uint8Array.of(0, 1, 0xff) }]),
      'ERR_ATTESTATION_MALFORMED',
      'bad_certificate',
    ],
    [
      'with Evidence beside an issuer',
      () => withEntries(leaf(), [evidence()], [evidence()]),
      'ERR_ATTESTATION_NEGOTIATION',
      'illegal_parameter',
    ],
    [
      'of another certificate of the same authority',
      () => withEntries(credentialFor('other.test'), [evidence()]),
      'ERR_ATTESTATION_KEY_MISMATCH',
      'bad_certificate',
    ],
    [
      'of a bare key with something behind it',
      () =>
        withEntries({ ...leaf(), entries: [{ data: leaf().key.publicKey.spki, extensions: [] }] }, [evidence()], []),
      'ERR_ATTESTATION_KEY_MISMATCH',
      'bad_certificate',
    ],
  ]
  for (const [name, credential, code, alert] of wrong) {
    test(name, async () => assertRefused(await connect(demands(), answeringWith(credential())), 'client', code, alert))
  }
})

describe('requests made by hand', () => {
  interface Request {
    readonly seq: number
    readonly contextSeq: number
    readonly extensions: readonly ExtensionValue[]
  }
  const EMPTY_CMW = { type: CMW, data: new Uint8Array() }
  const VERSION = (version: number) => ({ type: 0xffa1, data: Uint8Array.of(version) })

  function asking({ seq, contextSeq, extensions }: Request): EndOptions {
    return hardenedEnd('client', 'server', {
      alterPlug: scripted(function* (session, exchange) {
        const random = session.entropy.bytes(32)
        const context = { version: 1, seq: contextSeq, random, verifierNonce: new Uint8Array(MAX_VERIFIER_NONCE) }
        const request = exchange.request({
          context: encode(RequestContext, context),
          signatureSchemes: defaultSignatureSchemes,
          extensions,
        })
        session.send(encode(ControlMessage, { kind: ControlKind.request, seq, body: request.raw }))
        yield* receive(CONTROL)
        yield* receive(CONTROL)
      }),
    })
  }

  const right: Request = { seq: 0, contextSeq: 0, extensions: [EMPTY_CMW, VERSION(1)] }
  const server = () => hardenedEnd('server', 'server')

  test('control: one that is right is answered', async () => {
    const pair = await connect(asking(right), server())
    assert.equal(pair.server.error, undefined)
    assert.equal(pair.server.connection.state, 'handshake')
  })

  const wrong: readonly [name: string, change: Partial<Request>, alert: string][] = [
    ['does not begin with 0', { seq: 1, contextSeq: 1 }, 'illegal_parameter'],
    ['has two numbers', { contextSeq: 1 }, 'illegal_parameter'],
    ['is of another version', { extensions: [EMPTY_CMW, VERSION(2)] }, 'illegal_parameter'],
    ['does not ask for the profile', { extensions: [EMPTY_CMW] }, 'missing_extension'],
    ['does not ask for Evidence', { extensions: [VERSION(1)] }, 'missing_extension'],
  ]
  for (const [name, change, alert] of wrong) {
    test(`one that ${name}`, async () => {
      const attester = attesterOf()
      let made = 0
      const make = attester.evidence.bind(attester)
      attester.evidence = asked => {
        made++
        return make(asked)
      }
      const pair = await connect(asking({ ...right, ...change }), withAttestation(server(), { attester }))
      assertRefused(pair, 'server', undefined, alert)
      assert.equal(made, 1, 'nothing is attested for it')
    })
  }

  test('one that comes sooner than it may, by the attester’s clock', async () => {
    const clock = { now: NOON }
    const pair = await assertControl(hardenedEnd('client', 'server', { now: () => clock.now }), server())
    clock.now += 20_000
    pair.client.attested?.renew()
    await settle(pair)
    assert.equal(alertOf(pair.server.error), 'unexpected_message')
  })

  test('none at all: the attester does not wait for ever', async () => {
    const pair = await connect(hardenedEnd('client', 'server', { alterPlug: alterControl(() => []) }), server())
    assert.equal(pair.server.error, undefined)
    pair.server.timers.fire()
    await settle(pair)
    assertRefused(pair, 'server', 'ERR_ATTESTATION_TIMEOUT', 'access_denied')
  })
})

describe('a Verifier that is lax after the handshake', () => {
  const after = (change: Parameters<typeof changedVerifier>[0]) => {
    let count = 0
    return changedVerifier(result => (count++ === 1 ? change(result) : result))
  }
  const refusedWith = async (code: string, attestation: EndOptions['attestation']) =>
    assertRefused(
      await connect(
        withAttestation(hardenedEnd('client', 'server'), { ...attestation }),
        hardenedEnd('server', 'server'),
      ),
      'client',
      code,
    )

  test('about the key', async () => {
    const verifier = after(result => ({ ...result, attestedKey: bareKeys.client.publicKey.spki }))
    await refusedWith('ERR_ATTESTATION_KEY_MISMATCH', { verifier })
  })

  test('about who it is', async () => {
    const control = await assertControl(hardenedEnd('client', 'server'), hardenedEnd('server', 'server'))
    const [name = '', claims] = Object.entries(control.client.status?.claims ?? {})[0] ?? []
    const verifier = after(result => {
      const part = result.submodules[name]
      assert.ok(part)
      return { ...result, submodules: { [name]: { ...part, claims: { ...part.claims, 'instance-id': 'other' } } } }
    })
    const expectedIdentity = { claims: { 'instance-id': String(claims?.['instance-id']) } }
    await refusedWith('ERR_ATTESTATION_IDENTITY_MISMATCH', { verifier, expectedIdentity })
    await refusedWith('ERR_ATTESTATION_CONTINUITY', {
      verifier: after(result => {
        const part = result.submodules[name]
        assert.ok(part)
        return { ...result, submodules: { [name]: { ...part, claims: { ...part.claims, 'instance-id': 'other' } } } }
      }),
    })
  })

  test('with a verdict that is a no', async () => {
    await refusedWith('ERR_ATTESTATION_REFUSED', { verifier: after(result => ({ ...result, isAccepted: false })) })
  })
})

describe('keys that are not what they seem', () => {
  test('an attester does not attest for a key that it does not hold', async () => {
    const key: SigningKey = { ...partsOf(bareKeys.server), publicKey: bareKeys.client.publicKey }
    const pair = await connect(
      hardenedEnd('client', 'server'),
      withAttestation(hardenedEnd('server', 'server'), { identityKey: key }),
    )
    assertRefused(pair, 'server', 'ERR_ATTESTATION_ATTESTER_FAILED')
  })

  test('another key at a renewal', async () => {
    let current: SigningKey = bareKeys.server
    const changing: SigningKey = {
      get publicKey() {
        return current.publicKey
      },
      get schemes() {
        return current.schemes
      },
      sign: (scheme, data) => current.sign(scheme, data),
    }
    const clock = { now: NOON }
    const now = () => clock.now
    const pair = await assertControl(
      hardenedEnd('client', 'server', { now }),
      withAttestation(hardenedEnd('server', 'server', { now }), { identityKey: changing }),
    )
    current = bareKeys.client
    clock.now += 20_000
    pair.client.attested?.renew()
    await settle(pair)
    assert.match(pair.client.error?.message ?? '', /attests with another key than before/)
  })
})

describe('the negotiation', () => {
  test('a client that speaks another version alone', async () => {
    const other = hardenedEnd('client', 'server', {
      alterPlug: alterOffer(offer => ({
        ...offer,
        extensions: offer.extensions.map(value =>
          value.type === 0xffa1 ? { type: 0xffa1, data: Uint8Array.of(1, 2, 2) } : value,
        ),
      })),
    })
    const pair = await connect(other, hardenedEnd('server', 'server'))
    assertRefused(pair, 'server', 'ERR_ATTESTATION_NEGOTIATION', 'handshake_failure')
  })

  test('a client that requires what the server cannot do', async () => {
    const server: EndOptions = {
      now: NOON,
      attestation: { profile: 'hardened', verifier: verifierOf(), require: 'optional' },
    }
    const pair: Pair = await connect(hardenedEnd('client', 'server'), server)
    assertRefused(pair, 'server', 'ERR_ATTESTATION_NEGOTIATION', 'handshake_failure')
  })
})

function partsOf(key: SigningKey): SigningKey {
  return { publicKey: key.publicKey, schemes: key.schemes, sign: (scheme, data) => key.sign(scheme, data) }
}
