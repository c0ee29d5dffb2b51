import assert from 'node:assert/strict'
import { ExportedAttestation, type ExportedAttestationOptions, expatSettings } from '#src/attestation/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import { AuthenticatorExchange, completed, tableWith } from '#src/handshake/index.js'
import type { Attester, Cmw } from '#src/rats/index.js'
import { connect, type EndOptions, ManualTimers, type Side } from '../../attestation/support.js'
import { alertOf, credentialFor } from '../../support/pair.js'
import { attesterOf, NOON, root, verifierOf } from '../../support/simulated.js'
import { type Outcome, refused, works } from '../outcome.js'
import type { Row, Variant } from '../row.js'
import { puppet, type Source, type Stage } from '../stage.js'
import { changedVerifier, collector } from '../tools.js'

/*
 * The same attacks under the profile expat: the handshake knows nothing of attestation, and the application carries a request
 * and an authenticator.
 */

type Options = Partial<ExportedAttestationOptions>

/** One connection on which nothing was attested yet; both sides have certificates. */
async function plainly(stage: Stage) {
  const end = (side: Side): EndOptions => ({
    transport: stage.transport,
    hasCertificate: true,
    ...(side === 'server' && { server: { clientAuthentication: 'required' } }),
  })
  const pair = await connect(end('client'), end('server'))
  const on = (side: Side, options: Options) => {
    const { established, signal } = pair[side].connection
    assert.ok(established, pair[side].error?.message)
    const { timer } = new ManualTimers()
    const settings = expatSettings(options, { now: () => NOON, timer })
    return new ExportedAttestation(settings, {
      established,
      exchange: new AuthenticatorExchange({ side, established, table: tableWith({ extensions: settings.rows }) }),
      entropy: systemEntropy,
      credential: credentialFor(side === 'client' ? 'client.test' : 'localhost'),
      signal,
    })
  }
  return { pair, on }
}

interface Parts {
  readonly client?: Options
  readonly attester?: Attester
  /** What the authenticator becomes on its way. */
  readonly change?: (authenticator: Uint8Array) => Uint8Array
}

/** The server attests to the client. */
async function attested(
  stage: Stage,
  { client, attester = attesterOf(), change = bytes => bytes }: Parts = {},
): Promise<Outcome> {
  const { on } = await plainly(stage)
  const relyingParty = on('client', { verifier: verifierOf(), ...client })
  const server = on('server', { attester })
  const request = await completed(relyingParty.request())
  return outcomeOf(relyingParty, change(await completed(server.answer(request))))
}

/** What the client makes of an authenticator. */
async function outcomeOf(
  relyingParty: ExportedAttestation,
  authenticator: Uint8Array,
  by: Side = 'client',
): Promise<Outcome> {
  try {
    await completed(relyingParty.check(authenticator))
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error, String(error))
    assert.equal(relyingParty.status.isAttested, false)
    return refused(String(error.code), alertOf(error) ?? '', by)
  }
  assert.equal(relyingParty.status.isAttested, true)
  return works(relyingParty.status.bindingLevel)
}

async function control(stage: Stage): Promise<void> {
  assert.deepEqual(await attested(stage), works(3))
}

/** What the honest server proves to the attacker, who asks with the same bytes. */
async function fetched(
  stage: Stage,
  request: Uint8Array,
): Promise<{ readonly evidence: Cmw; readonly authenticator: Uint8Array }> {
  const { on } = await plainly(stage)
  let evidence: Cmw | undefined
  const inner = attesterOf()
  const attester = puppet(async asked => {
    evidence = await inner.evidence(asked)
    return evidence
  })
  const authenticator = await completed(on('server', { attester }).answer(request))
  assert.ok(evidence)
  return { evidence, authenticator }
}

/** A server of the attacker's, which has the key and takes its Evidence from elsewhere. */
async function impersonated(stage: Stage, source: (request: Uint8Array) => Promise<Cmw>): Promise<Outcome> {
  const { on } = await plainly(stage)
  const relyingParty = on('client', { verifier: verifierOf() })
  const request = await completed(relyingParty.request())
  const stolen = await source(request)
  const server = on('server', { attester: puppet(() => stolen) })
  return outcomeOf(relyingParty, await completed(server.answer(request)))
}

/** A Verifier that does not take care. */
const lax = (change: Parameters<typeof changedVerifier>[1]) => (stage: Stage) =>
  attested(stage, { client: { verifier: changedVerifier(verifierOf(), change) } })

const REFUSED = refused('ERR_ATTESTATION_REFUSED', 'access_denied')
const MISMATCH = refused('ERR_ATTESTATION_CHALLENGE_MISMATCH', 'bad_certificate')
const DECRYPT = refused('ERR_TLS_DECRYPT_ERROR', 'decrypt_error')
const elsewhere = () => attesterOf({ platform: root.issue('another machine') })

function variant(name: string, due: Outcome, attack: Variant['attack']): Variant {
  return { name, due: { EX: due }, control, attack }
}

const byRow: Readonly<Record<number, readonly Variant[]>> = {
  1: [variant('', REFUSED, stage => impersonated(stage, async request => (await fetched(stage, request)).evidence))],
  5: [
    variant('an oracle is among the reference values', works(3), stage =>
      attested(stage, { attester: puppet(oracle()) }),
    ),
  ],
  7: [
    variant('any sound machine will do, by authenticator', works(3), stage =>
      attested(stage, { attester: elsewhere() }),
    ),
  ],
  8: [
    variant(
      'the instance is expected, by authenticator',
      refused('ERR_ATTESTATION_IDENTITY_MISMATCH', 'access_denied'),
      stage =>
        attested(stage, {
          attester: elsewhere(),
          client: { expectedIdentity: { claims: { 'instance-id': '01'.repeat(33) } } },
        }),
    ),
  ],
  9: [
    variant('by authenticator', REFUSED, stage =>
      impersonated(stage, async () => {
        const { verifier } = collector()
        const { on } = await plainly(stage)
        const earlier = await completed(on('client', { verifier }).request())
        return (await fetched(stage, earlier)).evidence
      }),
    ),
  ],
  12: [
    variant(
      'none at all, by authenticator',
      MISMATCH,
      lax(result => ({ ...result, challenge: null })),
    ),
    variant(
      'an empty one, by authenticator',
      MISMATCH,
      lax(result => ({ ...result, challenge: new Uint8Array() })),
    ),
  ],
  13: [
    variant(
      'the Verifier compares a prefix, by authenticator',
      MISMATCH,
      lax(result => ({ ...result, challenge: result.challenge?.subarray(0, 31) ?? null })),
    ),
  ],
  16: [
    variant(
      'and a Verifier that does not mind, by authenticator',
      refused('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate'),
      lax(result => ({ ...result, attestedKey: credentialFor('other.test').key.publicKey.spki })),
    ),
  ],
  34: [
    variant(
      'its Evidence, under a key of its own, by authenticator',
      refused('ERR_ATTESTATION_KEY_MISMATCH', 'illegal_parameter', 'server'),
      async stage => {
        const { on } = await plainly(stage)
        let ours: Cmw | undefined
        const inner = attesterOf()
        const honest = puppet(async asked => {
          ours = await inner.evidence(asked)
          return ours
        })
        const server = on('server', { attester: honest, verifier: verifierOf() })
        const client = on('client', { attester: puppet(() => ours ?? assert.fail()), verifier: collector().verifier })
        await completed(server.answer(await completed(client.request())))
        const answer = await completed(client.answer(await completed(server.request())))
        return outcomeOf(server, answer, 'server')
      },
    ),
  ],
  38: [
    variant('by authenticator', DECRYPT, async stage => {
      const { on } = await plainly(stage)
      const relyingParty = on('client', { verifier: verifierOf() })
      const request = await completed(relyingParty.request())
      return outcomeOf(relyingParty, (await fetched(stage, request)).authenticator)
    }),
  ],
  39: [
    variant('an authenticator that answered a request before', DECRYPT, async stage => {
      const { on } = await plainly(stage)
      const relyingParty = on('client', { verifier: verifierOf() })
      const server = on('server', { attester: attesterOf() })
      const first = await completed(server.answer(await completed(relyingParty.request())))
      await completed(relyingParty.check(first))
      await completed(relyingParty.request())
      return outcomeOf(relyingParty, first)
    }),
  ],
  41: [
    variant('cut short, by authenticator', refused('ERR_TLS_DECODE_ERROR', 'decode_error'), stage =>
      attested(stage, { change: bytes => bytes.subarray(0, -1) }),
    ),
    variant('with another Finished, by authenticator', DECRYPT, stage =>
      attested(stage, { change: bytes => flipped(bytes, -1) }),
    ),
    variant('with another signature, by authenticator', DECRYPT, stage =>
      attested(stage, { change: bytes => flipped(bytes, -50) }),
    ),
  ],
  44: [
    variant(
      'it declines, by authenticator',
      refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', 'certificate_required'),
      async stage => {
        const { on } = await plainly(stage)
        const relyingParty = on('client', { verifier: verifierOf() })
        const server = on('server', { attester: attesterOf() })
        return outcomeOf(relyingParty, server.refuse(await completed(relyingParty.request())))
      },
    ),
  ],
  47: [
    variant('a debugger, by authenticator', REFUSED, stage =>
      attested(stage, { attester: attesterOf({ isDebuggable: true }) }),
    ),
  ],
  51: [
    variant(
      'it throws, by authenticator',
      refused('ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error'),
      lax(() => {
        throw new Error('out of order')
      }),
    ),
  ],
}

function oracle(): Source {
  const inner = attesterOf()
  return request => inner.evidence(request)
}

function flipped(body: Uint8Array, at: number): Uint8Array {
  return body.map((byte, i) => (i === body.length + at ? byte ^ 1 : byte))
}

/** A row with what it comes to under expat, or the reason why it is not tried there. */
export function withExported(row: Row): Row {
  const exported = byRow[row.row]
  if (exported) return { ...row, variants: [...row.variants, ...exported.map(named)] }
  return { ...row, notTried: { ...row.notTried, EX: WHY.get(row.row) ?? 'the handshake knows nothing of attestation' } }
}

function named(one: Variant): Variant {
  if (one.name !== '') return one
  return { due: one.due, ...(one.control && { control: one.control }), attack: one.attack, name: 'by authenticator' }
}

const HARDENED = 'the profile has nothing of the kind'
const WHY = new Map<number, string>([
  [2, 'the authenticator is refused before anything is passed on: row 1'],
  [3, 'results are not taken'],
  [4, 'the Evidence is over the exporter of the finished handshake: row 1'],
  [6, 'it is the certificate of the handshake that has the name'],
  [33, 'when data may pass is up to the application'],
  [36, 'the binder has no role, which row 34 makes up for'],
  [42, `${HARDENED}: each request stands alone`],
  [43, `${HARDENED}: each request stands alone`],
  [45, HARDENED],
  [46, 'results are not taken'],
  [52, 'draft-ietf-tls-extended-key-update is not spoken: a new exchange is a new connection'],
  [55, HARDENED],
])
