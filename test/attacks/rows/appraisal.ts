import assert from 'node:assert/strict'
import { createHmac, createPublicKey, sign } from 'node:crypto'
import { SimulatedRoot } from '#src/attester/index.js'
import { utf8 } from '#src/bytes/index.js'
import {
  type CborValue,
  type Cmw,
  decodeCbor,
  type EvidenceRequest,
  encodeCbor,
  encodeCmw,
  Indicator,
  KAT_MEDIA_TYPE,
} from '#src/rats/index.js'
import { alterProof } from '../../attestation/hostile.js'
import { credentialFor } from '../../support/pair.js'
import { attesterOf, identityOf, NOON, patient, root, workload } from '../../support/simulated.js'
import { type Outcome, refused } from '../outcome.js'
import type { Row, Variant } from '../row.js'
import { presenterOf, resultsPrivateKey, type Source, Stage } from '../stage.js'
import { Code, changedVerifier, collector } from '../tools.js'

/*
 * What comes as proof is not what it should be, or whoever appraises it is careless.
 */

const REFUSED = refused('ERR_ATTESTATION_REFUSED', 'access_denied')
const MISMATCH = refused('ERR_ATTESTATION_CHALLENGE_MISMATCH', 'bad_certificate')
const WRONG_TYPE = refused('ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate')
const MALFORMED = refused('ERR_ATTESTATION_MALFORMED', 'bad_certificate')
const everywhere = (outcome: Outcome) => ({ AO: outcome, CA: outcome, PP: outcome, H1: outcome })
const forEvidence = (outcome: Outcome) => ({ AO: outcome, CA: outcome, H1: outcome })

/** Once in the handshake, and once after it where there is more to come. */
function inBoth(
  name: string,
  due: Variant['due'],
  attack: (stage: Stage, index: number) => ReturnType<Variant['attack']>,
): Variant[] {
  const { H1 } = due
  const first: Variant = { name, due, attack: stage => attack(stage, 0) }
  return H1
    ? [first, { name: `${name}, after the handshake`, due: { H1 }, attack: stage => attack(stage, 1) }]
    : [first]
}

/** The Verifier says something else about the challenge than it should. */
function lax(change: (challenge: Uint8Array) => Uint8Array | null) {
  return (stage: Stage, at: number) => {
    const verifier = changedVerifier(stage.verifier(), (result, index) =>
      index === at && result.challenge ? { ...result, challenge: change(result.challenge) } : result,
    )
    return stage.connect(stage.client({ verifier }), stage.server())
  }
}

/** The attester puts something else into its Evidence than was asked for. */
function attesting(change: (challenge: Uint8Array) => Uint8Array) {
  return (stage: Stage, at: number) => {
    const source = stage.honestSource()
    const other: Source = (request, index) =>
      source(index === at ? { ...request, challenge: change(request.challenge) } : request, index)
    return stage.connect(stage.client(), stage.impostor(other))
  }
}

/** What the attacker proves is genuine but for one change. */
function tampered(
  change: (message: Cmw, stage: Stage) => Cmw | Promise<Cmw>,
  changed?: (challenge: Uint8Array) => Uint8Array,
) {
  return (stage: Stage, at = 0) => {
    const source = stage.honestSource()
    const other: Source = async (request, index) => {
      if (index !== at) return source(request, index)
      const asked = changed ? { ...request, challenge: changed(request.challenge) } : request
      return change(await source(asked, index), stage)
    }
    return stage.connect(stage.client(), stage.impostor(other))
  }
}

/** The platform's token of Evidence. */
function recordIn(message: Cmw) {
  const record = message.kind === 'record' ? message : message.entries.get('kat')
  assert.equal(record?.kind, 'record')
  return record
}

/** Evidence with another token in place of that which holds the challenge. */
function withToken(message: Cmw, value: Uint8Array): Cmw {
  if (message.kind === 'record') return { ...message, value }
  return { ...message, entries: new Map([...message.entries, ['kat', { ...recordIn(message), value }]]) }
}

/** Evidence with one bit less right in the signature of a token. */
function withLastByteChanged(message: Cmw, label: string): Cmw {
  const changed = (value: Uint8Array) => value.map((byte, i) => (i === value.length - 1 ? byte ^ 1 : byte))
  if (message.kind === 'record') return { ...message, value: changed(message.value) }
  const token = message.entries.get(label)
  assert.equal(token?.kind, 'record')
  return { ...message, entries: new Map([...message.entries, [label, { ...token, value: changed(token.value) }]]) }
}

/** A claim in the part of a COSE_Sign1 that nobody has signed. */
function withUnsigned(token: Uint8Array, label: number, claim: Uint8Array): Uint8Array {
  // Tag 18 or none, an array of four, the protected header; then the map that is added to.
  const isTagged = token[0] === 0xd2
  const parts = decodeCbor(isTagged ? token.subarray(1) : token, 'tolerant')
  assert.ok(Array.isArray(parts))
  const [protectedHeader, header, payload, signature] = parts as CborValue[]
  assert.ok(header instanceof Map)
  const changed = encodeCbor([
    protectedHeader ?? null,
    new Map([...(header as Map<number, CborValue>), [label, claim]]),
    payload ?? null,
    signature ?? null,
  ])
  return isTagged ? Uint8Array.of(0xd2, ...changed) : changed
}

/** Bytes in place of the CMW of the handshake. */
function bytesInPlace(make: (genuine: Uint8Array) => Uint8Array) {
  return (stage: Stage) => {
    const alterPlug = alterProof(credential => ({
      ...credential,
      entries: credential.entries.map(({ data, extensions }) =>
        stage.profile === 'AO'
          ? { data: make(data), extensions }
          : {
              data,
              extensions: extensions.map(value =>
                value.type === Code.attestation_evidence ? { ...value, data: make(value.data) } : value,
              ),
            },
      ),
    }))
    return stage.connect(stage.client(), stage.server({}, { alterPlug }))
  }
}

/* Results that the Verifier has signed, and should not have; and such that it has not. */

type Claims = Record<string, unknown>

function jwtOf(header: Claims, claims: Claims, signed: (input: string) => string): Cmw {
  const part = (value: Claims) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const input = `${part(header)}.${part(claims)}`
  return {
    kind: 'record',
    type: 'application/eat+jwt',
    value: utf8(`${input}.${signed(input)}`),
    indicators: Indicator.attestationResults,
  }
}

/** As the Verifier signs. */
const es256 = (input: string) =>
  sign('sha256', Buffer.from(input), { key: resultsPrivateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
/** With the public key for a secret, as whoever takes any algorithm would check it. */
const hs256 = (input: string) => {
  const spki = createPublicKey(resultsPrivateKey).export({ type: 'spki', format: 'pem' })
  return createHmac('sha256', spki).update(input).digest('base64url')
}

/** Presents results that are genuine but for a change. */
function presenting(change: (header: Claims, claims: Claims) => Cmw) {
  return tampered(message => {
    assert.equal(message.kind, 'record')
    const [header = '', claims = ''] = Buffer.from(message.kind === 'record' ? message.value : [])
      .toString()
      .split('.')
    const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Claims
    return change(read(header), read(claims))
  })
}

const seconds = NOON / 1000
const DAY = 86_400

export const appraisals: readonly Row[] = [
  {
    row: 12,
    attack: 'a Verifier that does not say, or says wrongly, which challenge it has found',
    variants: [
      ...inBoth(
        'none at all',
        forEvidence(MISMATCH),
        lax(() => null),
      ),
      ...inBoth(
        'an empty one',
        forEvidence(MISMATCH),
        lax(() => new Uint8Array()),
      ),
      ...inBoth(
        'seven bytes of it',
        forEvidence(MISMATCH),
        lax(challenge => challenge.subarray(0, 7)),
      ),
      {
        name: 'it expects nothing, and finds it',
        due: { CA: MISMATCH },
        attack: stage => {
          const empty = { ...collector().verifier, challengeLength: () => 0 }
          return stage.connect(stage.client({ verifier: empty }), stage.server())
        },
      },
      {
        name: 'or which key',
        due: {
          AO: refused('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate'),
          PP: refused('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate'),
        },
        attack: stage => {
          const verifier = changedVerifier(stage.verifier(), result => ({ ...result, attestedKey: null }))
          return stage.connect(stage.client({ verifier }), stage.server())
        },
      },
      ...inBoth('or whose word is neither yes nor no', everywhere(REFUSED), (stage, at) => {
        // A boundary: a Verifier may be anybody's code, and not in TypeScript.
        const yes = 'yes' as unknown as boolean
        const verifier = changedVerifier(stage.verifier(), (result, index) =>
          index === at ? { ...result, isAccepted: yes } : result,
        )
        return stage.connect(stage.client({ verifier }), stage.server())
      }),
    ],
  },
  {
    row: 13,
    attack: 'a challenge that is right as far as it goes',
    notTried: { PP: 'results hold no challenge' },
    variants: [
      ...inBoth(
        'the Verifier compares a prefix',
        forEvidence(MISMATCH),
        lax(challenge => challenge.subarray(0, 31)),
      ),
      ...inBoth(
        'the Verifier takes a longer one',
        forEvidence(MISMATCH),
        lax(challenge => Uint8Array.of(...challenge, 0)),
      ),
      ...inBoth(
        'the Verifier takes zeros',
        forEvidence(MISMATCH),
        lax(challenge => new Uint8Array(challenge.length)),
      ),
      ...inBoth(
        'the Verifier overlooks the last bit',
        forEvidence(MISMATCH),
        lax(challenge => challenge.map((byte, i) => (i === challenge.length - 1 ? byte ^ 1 : byte))),
      ),
      ...inBoth(
        'the Evidence holds half of it and zeros',
        forEvidence(REFUSED),
        attesting(challenge => challenge.map((byte, i) => (i < challenge.length / 2 ? byte : 0))),
      ),
    ],
  },
  {
    row: 14,
    attack: 'the challenge is right where nobody has signed it, and wrong in the signed claims',
    notTried: { PP: 'results hold no challenge' },
    variants: inBoth('in the unprotected header', forEvidence(REFUSED), (stage, at) => {
      let right = new Uint8Array()
      return tampered(
        message => withToken(message, withUnsigned(recordIn(message).value, EAT_NONCE, right)),
        challenge => {
          right = Uint8Array.from(challenge)
          return new Uint8Array(challenge.length).fill(1)
        },
      )(stage, at)
    }),
  },
  {
    row: 15,
    attack: 'a key attestation of one machine, the platform attestation of another',
    notTried: { PP: 'a result is one token' },
    variants: [
      {
        due: { AO: REFUSED, CA: REFUSED },
        attack: stage =>
          stage.connect(
            stage.client(),
            stage.impostor(request => spliced(request)),
          ),
      },
      {
        name: 'which is a type that the profile does not take, since its key is held by software',
        due: { H1: WRONG_TYPE },
        attack: async stage => {
          const key = identityOf(credentialFor('localhost').key)
          const request = { type: KAT_MEDIA_TYPE, challenge: new Uint8Array(32), key, signal: patient }
          const bundle = encodeCmw(await spliced(request))
          return bytesInPlace(() => bundle)(stage)
        },
      },
    ],
  },
  {
    row: 46,
    attack: 'results that are out of date, of somebody else, about another state, or signed by nobody',
    notTried: { AO: 'results are not agreed on' },
    variants: [
      ...(
        [
          [
            'expired',
            (header, claims) => jwtOf(header, { ...claims, iat: seconds - 7200, exp: seconds - 3600 }, es256),
          ],
          [
            'older than the policy allows, whatever they say themselves',
            (header, claims) => jwtOf(header, { ...claims, iat: seconds - 9 * DAY, exp: seconds + DAY }, es256),
          ],
          [
            'not valid yet',
            (header, claims) => jwtOf(header, { ...claims, iat: seconds + DAY, exp: seconds + 2 * DAY }, es256),
          ],
          ['of nobody’s signature: alg none', (header, claims) => jwtOf({ ...header, alg: 'none' }, claims, () => '')],
          [
            'of a signature by a secret that is none: alg HS256',
            (header, claims) => jwtOf({ ...header, alg: 'HS256' }, claims, hs256),
          ],
          [
            'of another profile',
            (header, claims) => jwtOf(header, { ...claims, eat_profile: 'tag:example.com,2026:other' }, es256),
          ],
          [
            'of a bad state',
            (header, claims) =>
              jwtOf(header, { ...claims, ear_status: 'contraindicated', submods: contraindicated(claims) }, es256),
          ],
          [
            'changed after they were signed',
            (header, claims) => jwtOf(header, { ...claims, exp: seconds + 9 * DAY }, () => es256('other')),
          ],
        ] satisfies [string, (header: Claims, claims: Claims) => Cmw][]
      ).map(([name, change]): Variant => ({ name, due: { PP: REFUSED }, attack: presenting(change) })),
      {
        name: 'of a Verifier that is not the one that was agreed on',
        due: { PP: REFUSED },
        attack: stage => {
          const other = presenterOf(attesterOf(), 'stranger')
          return stage.connect(
            stage.client(),
            stage.impostor(({ key, signal }) => other.results({ verifier: utf8('results.test'), key, signal })),
          )
        },
      },
      {
        name: 'where Evidence was agreed on',
        due: { CA: WRONG_TYPE, H1: WRONG_TYPE },
        attack: async stage => {
          const results = await new Stage('PP', stage.transport).honestSource()(
            { type: '', challenge: new Uint8Array(), key: identityOf(credentialFor('localhost').key), signal: patient },
            0,
          )
          return bytesInPlace(() => encodeCmw(results))(stage)
        },
      },
    ],
  },
  {
    row: 47,
    attack: 'a platform that nobody vouches for, or in a state that is not allowed',
    notTried: { PP: 'it is the Verifier of the results that appraises: row 46' },
    variants: [
      ...(
        [
          ['another root', () => attesterOf({ platform: SimulatedRoot.create({ now: NOON }).issue('machine') })],
          [
            'a certificate that has expired',
            () => attesterOf({ platform: root.issue('old', { notAfter: NOON - 3_600_000 }) }),
          ],
          ['a debugger', () => attesterOf({ isDebuggable: true })],
          ['not secured yet', () => attesterOf({ lifecycle: 'psa-rot-provisioning' })],
          [
            'another image',
            () => attesterOf({ components: [{ ...workload, measurement: workload.measurement.map(b => b ^ 1) }] }),
          ],
        ] satisfies [string, () => ReturnType<typeof attesterOf>][]
      ).map(
        ([name, make]): Variant => ({
          name,
          due: forEvidence(REFUSED),
          attack: stage => stage.connect(stage.client(), stage.impostor(stage.honestSource(make()))),
        }),
      ),
      {
        name: 'a signature that is not the platform’s',
        due: forEvidence(REFUSED),
        attack: tampered(message => withLastByteChanged(message, 'pat')),
      },
      {
        name: 'a signature that is not its key attestation key’s',
        due: { AO: REFUSED, CA: REFUSED },
        attack: tampered(message => withLastByteChanged(message, 'kat')),
      },
    ],
  },
  {
    row: 48,
    attack: 'a CMW that is none, or is too much',
    variants: [
      {
        name: 'of another type than was agreed on',
        due: forEvidence(WRONG_TYPE),
        attack: bytesInPlace(() => encodeCmw({ kind: 'record', type: 'application/x-other', value: Uint8Array.of(1) })),
      },
      {
        name: 'of a type that no results have',
        due: { PP: refused('ERR_ATTESTATION_NOT_APPRAISED', 'bad_certificate') },
        attack: bytesInPlace(() => encodeCmw({ kind: 'record', type: 'application/x-other', value: Uint8Array.of(1) })),
      },
      {
        name: 'of Evidence in place of results',
        due: { PP: WRONG_TYPE },
        attack: bytesInPlace(() =>
          encodeCmw({
            kind: 'record',
            type: 'application/eat+cwt',
            value: Uint8Array.of(1),
            indicators: Indicator.evidence,
          }),
        ),
      },
      { name: 'nested 200 deep', due: everywhere(MALFORMED), attack: bytesInPlace(() => nested(200)) },
      {
        name: 'a map with a key twice',
        due: everywhere(MALFORMED),
        attack: bytesInPlace(() => bytes('a2 61 61 82 01 40 61 61 82 01 40')),
      },
      {
        name: 'of lengths that are not said',
        due: everywhere(MALFORMED),
        attack: bytesInPlace(() => bytes('9f 01 40 ff')),
      },
      {
        name: 'with something behind it',
        due: everywhere(MALFORMED),
        attack: bytesInPlace(genuine => Uint8Array.of(...genuine, 0)),
      },
      { name: 'cut short', due: everywhere(MALFORMED), attack: bytesInPlace(genuine => genuine.subarray(0, -1)) },
      {
        name: 'of 16 MiB',
        due: { AO: refused('ERR_TLS_ILLEGAL_PARAMETER', 'illegal_parameter') },
        attack: bytesInPlace(() => new Uint8Array(2 ** 24 - 100)),
      },
      {
        name: 'with more of its own than there is',
        due: everywhere(MALFORMED),
        attack: bytesInPlace(() => bytes('82 01 5b ff ff ff ff ff ff ff ff')),
      },
    ],
  },
  {
    row: 51,
    attack: 'the Verifier fails',
    variants: [
      ...inBoth('it throws', everywhere(refused('ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error')), (stage, at) => {
        const verifier = changedVerifier(stage.verifier(), (result, index) => {
          if (index === at) throw new Error('out of order')
          return result
        })
        return stage.connect(stage.client({ verifier }), stage.server())
      }),
      ...inBoth('it never answers', everywhere(refused('ERR_ATTESTATION_TIMEOUT', 'internal_error')), (stage, at) => {
        const verifier = changedVerifier(stage.verifier(), (result, index) =>
          index === at ? new Promise(() => undefined) : result,
        )
        return stage.connect(stage.client({ verifier }), stage.server(), ({ client }) => client.timers.fire())
      }),
      ...inBoth(
        'it opens no session',
        forEvidence(refused('ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error')),
        (stage, at) => {
          let count = 0
          const verifier = changedVerifier(stage.verifier(), result => result)
          const failing = {
            ...verifier,
            async newSession(options: Parameters<typeof verifier.newSession>[0]) {
              if (count++ === at) throw new Error('unreachable')
              return verifier.newSession(options)
            },
          }
          return stage.connect(stage.client({ verifier: failing }), stage.server())
        },
      ),
    ],
  },
]

const EAT_NONCE = 10

/** The key attestation of a machine of the attacker's own, beside the platform attestation of a sound one. */
async function spliced(request: EvidenceRequest): Promise<Cmw> {
  const own = await attesterOf({ platform: SimulatedRoot.create({ now: NOON }).issue('own') }).evidence(request)
  const sound = await attesterOf().evidence(request)
  assert.ok(own.kind === 'collection' && sound.kind === 'collection')
  const [kat, pat] = [own.entries.get('kat'), sound.entries.get('pat')]
  assert.ok(kat && pat)
  return {
    ...own,
    entries: new Map([
      ['kat', kat],
      ['pat', pat],
    ]),
  }
}

function contraindicated(claims: Claims): Claims {
  const submods = claims.submods
  assert.ok(submods && typeof submods === 'object')
  return Object.fromEntries(
    Object.entries(submods).map(([name, one]) => [name, { ...(one as Claims), ear_status: 'contraindicated' }]),
  )
}

function nested(depth: number): Uint8Array {
  // Collections of one entry: { "a": { "a": ... } }.
  return Uint8Array.from([...Array.from({ length: depth }, () => [0xa1, 0x61, 0x61]).flat(), 0x82, 0x01, 0x40])
}

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
}
