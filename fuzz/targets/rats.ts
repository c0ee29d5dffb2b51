import { isDeepStrictEqual } from 'node:util'
import { Tagged as CborgTagged, decode as decodeWithCborg } from 'cborg'
import { MacKey } from '#src/crypto/index.js'
import {
  asMap,
  type CborValue,
  type Cmw,
  canonicalMediaType,
  checkEar,
  checkSignedCmw,
  checkSignedCorim,
  cmwFromCbor,
  confirmedKey,
  coseKeyOf,
  decodeCab,
  decodeCbor,
  decodeCmw,
  decodeCmwExtension,
  decodeCorim,
  decodeEatBundle,
  decodeEatClaims,
  decodeJson,
  decodeJws,
  decodeKat,
  decodeMac0,
  decodeParsecCca,
  decodeParsecTpm,
  decodeSign1,
  decodeUccs,
  encodeCbor,
  encodeCmw,
  encodeCmwExtension,
  encodeJson,
  Float,
  fromAnyBase64,
  LATEST_EAR_PROFILE,
  type MessageSigner,
  makeCab,
  makeCoseCmw,
  makeEar,
  makeJwsCmw,
  makeKat,
  makeMac0,
  makeSign1,
  makeSignedCorim,
  messageSigner,
  parseMediaType,
  platformNonceFor,
  publicKeyOfCoseKey,
  readSignedCorim,
  Tagged,
  toBase64url,
} from '#src/rats/index.js'
import { evidenceOf, simulatedKinds } from '../../test/support/every-platform.js'
import { newKey } from '../../test/support/simulated.js'
import { type Target, Violation } from '../target.js'
import { decoder } from './decoder.js'

const AT = Date.UTC(2026, 10, 24, 12)
const key = newKey()
const signer: MessageSigner = messageSigner(key)
const nonce = new Uint8Array(32).fill(7)
const text = (value: string) => Uint8Array.from(Buffer.from(value))

const record: Cmw = { kind: 'record', type: 'application/eat+cwt', value: new Uint8Array(9).fill(3) }

const values: readonly CborValue[] = [
  0,
  -1,
  2 ** 40,
  2n ** 63n,
  'text ä€😀',
  new Uint8Array(30).fill(1),
  true,
  null,
  new Float(1.5),
  new Float(1e300),
  new Tagged(55799, [1, [2, [3]]]),
  new Map<number | string, CborValue>([
    [1, 'a'],
    [-70000, new Map([['k', [new Uint8Array(0), null]]])],
    ['z', new Tagged(24, encodeCbor(['inside']))],
  ]),
]

const eatsInCbor = [
  encodeCbor(
    new Map<number | string, CborValue>([
      [10, nonce],
      [256, Uint8Array.of(1, ...new Uint8Array(16))],
      [258, new Uint8Array(3)],
      [262, true],
      [263, 2],
      [265, 'tag:example.org,2026:p'],
      [266, new Map<string, CborValue>([['sub', new Map<number, CborValue>([[10, nonce]])]])],
      [273, [[60, new Uint8Array(4)]]],
    ]),
  ),
  encodeCbor(
    new Map<number, CborValue>([
      [10, [nonce, nonce]],
      [6, 1_700_000_000],
      [8, new Map([[1, coseKeyOf(key.publicKey)]])],
    ]),
  ),
]
const eatsInJson = [
  text(
    JSON.stringify({
      eat_nonce: toBase64url(nonce),
      ueid: toBase64url(Uint8Array.of(1, ...new Uint8Array(16))),
      dbgstat: 'disabled',
      eat_profile: 'tag:example.org,2026:p',
      submods: { a: ['JWT', 'a.b.c'], b: { eat_nonce: toBase64url(nonce) } },
      iat: 1_700_000_000,
    }),
  ),
]

const ear = {
  profile: LATEST_EAR_PROFILE,
  issuedAt: AT / 1000,
  verifier: { developer: 'somebody', build: '1' },
  nonce,
  submodules: new Map([
    ['simulated', { status: 'affirming' as const, vector: { configuration: 2 }, policyIds: ['policy'] }],
  ]),
}

const environment = new Map([[0, new Map([[0, new Tagged(560, new Uint8Array(32).fill(2))]])]])
const measurement = new Map<number, CborValue>([
  [0, 'component'],
  [
    1,
    new Map<number, CborValue>([
      [0, new Map([[0, '1.2']])],
      [2, [[1, new Uint8Array(32).fill(1)]]],
    ]),
  ],
])
const corim = encodeCbor(
  new Tagged(
    501,
    new Map<number, CborValue>([
      [0, 'a manifest'],
      [
        1,
        [
          new Tagged(
            506,
            encodeCbor(
              new Map<number, CborValue>([
                [1, new Map([[0, 'a module']])],
                [4, new Map<number, CborValue>([[0, [[environment, [measurement]]]]])],
              ]),
            ),
          ),
        ],
      ],
      [3, new Tagged(32, 'tag:example.org,2026:profile')],
    ]),
  ),
)

/** Conceptual messages (RFC 9334 §8) and what they are made of. */
export const ratsTargets: readonly Target[] = [
  decoder({
    name: 'cbor:deterministic',
    form: 'cbor',
    seeds: () => values.map(encodeCbor),
    decode: bytes => decodeCbor(bytes),
    encode: encodeCbor,
    // RFC 8949 §4.2.1: there is one way to write each value.
    isCanonical: true,
    check: compareWithCborg,
    describe: shapeOf,
  }),
  decoder({
    name: 'cbor:tolerant',
    form: 'cbor',
    seeds: () => values.map(encodeCbor),
    decode: bytes => decodeCbor(bytes, 'tolerant'),
    encode: encodeCbor,
    check: compareWithCborg,
    describe: shapeOf,
  }),
  decoder({
    name: 'json',
    form: 'json',
    seeds: () => [text(JSON.stringify({ a: [1, 'x', null, true, { b: '' }], 'ä€😀': -5 })), text('[1,2.5,"\\u00e4"]')],
    decode: bytes => decodeJson(bytes),
    encode: value => text(encodeJson(value)),
    check(value, bytes) {
      const theirs: unknown = JSON.parse(Buffer.from(bytes).toString())
      if (!isDeepStrictEqual(plain(value), plain(theirs))) throw new Violation('JSON.parse reads something else')
    },
    describe: shapeOf,
  }),
  decoder({
    name: 'cmw',
    form: 'cbor',
    seeds: cmwsInCbor,
    decode: bytes => decodeCmw(bytes),
    check: sameCmw,
    describe,
  }),
  decoder({
    name: 'cmw:json',
    form: 'json',
    seeds: cmwsInJson,
    decode: bytes => decodeCmw(bytes),
    check: sameCmw,
    describe,
  }),
  decoder({
    name: 'cmw:value',
    form: 'cbor',
    seeds: cmwsInCbor,
    decode: bytes => cmwFromCbor(decodeCbor(bytes, 'tolerant')),
    describe,
  }),
  decoder({
    name: 'cmw:extension',
    form: 'der',
    seeds: async () => (await cmws()).map(cmw => encodeCmwExtension(cmw)),
    decode: decodeCmwExtension,
    describe,
  }),
  decoder({
    name: 'cmw:signed',
    form: 'cbor',
    seeds: async () => [
      await makeCoseCmw(record, signer),
      Uint8Array.from(Buffer.from(await makeJwsCmw(record, signer))),
    ],
    decode: bytes => checkSignedCmw(bytes, key.publicKey),
    check(cmw) {
      if (!isDeepStrictEqual(cmw, record)) throw new Violation('what nobody has signed is taken for signed')
    },
  }),
  decoder({
    name: 'cose:sign1',
    form: 'cbor',
    seeds: async () => [
      await makeSign1(text('payload'), signer),
      await makeSign1(text(''), signer, { tagging: 'none' }),
    ],
    decode: bytes => decodeSign1(bytes),
  }),
  decoder({
    name: 'cose:mac0',
    form: 'cbor',
    seeds: () => [makeMac0(text('payload'), new MacKey('sha256', new Uint8Array(32)))],
    decode: bytes => decodeMac0(bytes),
  }),
  decoder({
    name: 'cose:key',
    form: 'cbor',
    seeds: () => [encodeCbor(coseKeyOf(key.publicKey))],
    decode: bytes => publicKeyOfCoseKey(asMap(decodeCbor(bytes, 'tolerant'), 'the key')).spki,
    encode: undefined,
  }),
  decoder({
    name: 'cose:confirmed-key',
    form: 'cbor',
    seeds: () => [encodeCbor(new Map([[8, new Map([[1, coseKeyOf(key.publicKey)]])]]))],
    decode: bytes => confirmedKey(asMap(decodeCbor(bytes, 'tolerant'), 'the claims')).spki,
  }),
  decoder({
    name: 'jws',
    form: 'text',
    seeds: async () => [Uint8Array.from(Buffer.from(await makeJwsCmw(record, signer)))],
    decode: bytes => decodeJws(bytes),
  }),
  decoder({ name: 'eat:cbor', form: 'cbor', seeds: () => eatsInCbor, decode: bytes => decodeEatClaims(bytes, 'cbor') }),
  decoder({ name: 'eat:json', form: 'json', seeds: () => eatsInJson, decode: bytes => decodeEatClaims(bytes, 'json') }),
  decoder({
    name: 'eat:uccs',
    form: 'cbor',
    seeds: () => eatsInCbor.map(claims => encodeCbor(new Tagged(601, decodeCbor(claims)))),
    decode: decodeUccs,
  }),
  decoder({ name: 'eat:bundle', form: 'cbor', seeds: bundles, decode: bytes => decodeEatBundle(bytes, 'cbor') }),
  decoder({
    name: 'eat:bundle:json',
    form: 'json',
    seeds: () => [
      text(JSON.stringify([['JWT', 'a.b.c'], { label: toBase64url(text('{"eat_nonce":"AAAAAAAAAAA"}')) }])),
    ],
    decode: bytes => decodeEatBundle(bytes, 'json'),
  }),
  decoder({
    name: 'kat',
    form: 'cbor',
    seeds: async () => [await kat()],
    decode: decodeKat,
  }),
  decoder({
    name: 'kat:cab',
    form: 'cbor',
    seeds: async () => [encodeCmw(makeCab(await kat(), await kat()), 'cbor')],
    decode: bytes => decodeCab(decodeCmw(bytes)),
  }),
  decoder({ name: 'ear', form: 'cbor', seeds: () => ears('cwt'), decode: checkedEar, check: knownEar }),
  decoder({ name: 'ear:jwt', form: 'text', seeds: () => ears('jwt'), decode: checkedEar, check: knownEar }),
  decoder({ name: 'corim', form: 'cbor', seeds: () => [corim], decode: decodeCorim }),
  decoder({
    name: 'corim:signed',
    form: 'cbor',
    seeds: async () => [await makeSignedCorim(corim, signer, { name: 'somebody' })],
    decode(bytes) {
      const signed = readSignedCorim(bytes)
      return checkSignedCorim(signed, key.publicKey, AT)
    },
    check(value) {
      if (!isDeepStrictEqual(value, decodeCorim(corim)))
        throw new Violation('what nobody has signed is taken for signed')
    },
  }),
  decoder({
    name: 'parsec:tpm',
    form: 'cbor',
    seeds: () => evidence('tpm', /parallaxsecond/),
    decode: decodeParsecTpm,
  }),
  decoder({
    name: 'parsec:cca',
    form: 'cbor',
    seeds: () => evidence('cca', /parallaxsecond/),
    decode: decodeParsecCca,
  }),
  decoder({
    name: 'media-type',
    form: 'text',
    seeds: () =>
      ['application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"', 'a/b;c=d;e="f\\"g"'].map(text),
    decode(bytes) {
      const type = Buffer.from(bytes).toString()
      return [parseMediaType(type), canonicalMediaType(type)] as const
    },
    check([, canonical]) {
      if (canonicalMediaType(canonical) !== canonical) throw new Violation('the canonical spelling has another')
    },
  }),
  decoder({
    name: 'base64',
    form: 'text',
    seeds: () => ['AAEC_-8', 'AAEC+/8=', ''].map(text),
    decode: bytes => fromAnyBase64(Buffer.from(bytes).toString('latin1')),
    check(found, bytes) {
      if (!found) return
      const theirs = Buffer.from(Buffer.from(bytes).toString('latin1'), 'base64')
      if (!Buffer.from(found).equals(theirs)) throw new Violation('Node decodes it to something else')
    },
    describe: found => typeof found,
  }),
]

/** The same value as another decoder reads it: what we take, it takes, and finds the same in it. */
function compareWithCborg(value: CborValue, bytes: Uint8Array): void {
  let theirs: unknown
  try {
    theirs = decodeWithCborg(bytes, {
      useMaps: true,
      tags: new Proxy([], { get: (_, tag) => (/^\d+$/.test(String(tag)) ? () => undefined : Reflect.get([], tag)) }),
    })
  } catch {
    // Tags have to be known there one by one: what cannot be compared is not.
    return
  }
  if (theirs instanceof CborgTagged || holdsTag(value)) return
  if (!isDeepStrictEqual(plain(value), plain(theirs))) throw new Violation('cborg reads something else')
}

function holdsTag(value: CborValue): boolean {
  if (value instanceof Tagged) return true
  if (Array.isArray(value)) return value.some(holdsTag)
  return value instanceof Map ? [...value.values()].some(holdsTag) : false
}

/** Without our own classes, and with numbers of one kind. */
function plain(value: unknown): unknown {
  if (value instanceof Float) return plain(value.value)
  if (typeof value === 'bigint') return Number(value)
  if (Object.is(value, -0)) return 0
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  const entries = value instanceof Map ? [...value] : typeof value === 'object' && value ? Object.entries(value) : null
  if (!entries) return value
  return entries
    .map(([name, inner]) => [String(name), plain(inner)])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
}

function shapeOf(value: CborValue): string {
  if (Array.isArray(value)) return `array ${Math.min(2, value.length)}`
  return value === null ? 'null' : typeof value === 'object' ? value.constructor.name : typeof value
}

async function cmws(): Promise<readonly Cmw[]> {
  return [
    record,
    { kind: 'record', type: 263, value: new Uint8Array(9), indicators: 4 },
    makeCab(await kat(), await kat()),
    {
      kind: 'collection',
      type: 'tag:example.org,2026:a',
      entries: new Map<string | number, Cmw>([
        ['a', record],
        [1, record],
      ]),
    },
  ] as readonly Cmw[]
}

async function cmwsInCbor(): Promise<readonly Uint8Array[]> {
  return (await cmws()).map(cmw => encodeCmw(cmw, 'cbor'))
}

async function cmwsInJson(): Promise<readonly Uint8Array[]> {
  const [first, second, third] = await cmws()
  return [first, second, third].flatMap(cmw => (cmw ? [encodeCmw(cmw, 'json')] : []))
}

/** What a CMW holds comes back, whichever form it is written in. */
function sameCmw(cmw: Cmw): void {
  if (!isDeepStrictEqual(decodeCmw(encodeCmw(cmw, 'cbor'), 'cbor'), cmw)) {
    throw new Violation('the CMW does not come back from CBOR')
  }
}

function describe(cmw: Cmw): string {
  return cmw.kind
}

function kat(): Promise<Uint8Array> {
  return makeKat({ nonce, identityKey: key.publicKey, attestationKey: newKey() })
}

async function bundles(): Promise<readonly Uint8Array[]> {
  const main = await makeSign1(eatsInCbor[0] ?? nonce, signer)
  return [encodeCbor(new Tagged(602, [main, new Map([['label', eatsInCbor[1] ?? nonce]])]))]
}

async function ears(form: 'cwt' | 'jwt'): Promise<readonly Uint8Array[]> {
  return [Uint8Array.from(Buffer.from(await makeEar(ear, signer, form)))]
}

function checkedEar(bytes: Uint8Array) {
  return checkEar(bytes, { key: key.publicKey, at: AT, nonce })
}

function knownEar({ submodules }: Awaited<ReturnType<typeof checkedEar>>): void {
  if (submodules.get('simulated')?.status !== 'affirming' || submodules.size !== 1) {
    throw new Violation('a result that nobody has signed is believed')
  }
}

/** Evidence of a simulated kind, of the type that a pattern finds. */
async function evidence(name: string, pattern: RegExp): Promise<readonly Uint8Array[]> {
  const kind = simulatedKinds[name]
  const type = kind?.attester.evidenceTypes.find(one => pattern.test(one))
  if (!kind || type === undefined) return [encodeCbor(new Map([['a', platformNonceFor(key.publicKey)]]))]
  const cmw = await evidenceOf(kind, type)
  return cmw.kind === 'record' ? [cmw.value] : []
}
