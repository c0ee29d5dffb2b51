import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hash } from '#src/crypto/index.js'
import {
  type CborValue,
  decodeEatClaims,
  decodeSign1,
  decodeUccs,
  type EatClaims,
  type EatEncoding,
  encodeCbor,
  encodeJson,
  Float,
  MessageError,
  readEatClaims,
  Tagged,
} from '#src/rats/index.js'
import { bytesOf, messageError, textBytes } from './support.js'

const UEID = bytesOf('0198f50a4ff6c05861c8860d13a638ea')

/** RFC 9711 Appendix A: the payload with a hardware block, and the same as a CWT. */
const HARDWARE = bytesOf(`
  a60a4cd79b964ddd5471c1393c8888190100500198f50a4ff6c05861c8860d13a638ea19010219faf2190106f5190107031901048263332e3101`)
const HARDWARE_CWT = bytesOf(`
  d83dd28443a10126a0583aa60a4cd79b964ddd5471c1393c8888190100500198f50a4ff6c05861c8860d13a638ea19010219faf2190106f5190107
  031901048263332e310158409b9b2f5e470000f6a20c8a4157b5763fc45be7599a5334028517768c21affb845a56ab557e0c8973a07417391243a7
  9c478562d285612e292c622162ab233787`)
const SIMPLE = bytesOf(`
  a801636a6f650a4c88b20f5b9fc0bc8f7685bbc0190100500198f50a4ff6c05861c8860d13a638ea1901024388124e19010350881cf5f243fbef33
  36bbd22547dddefc190106f519010703061a5afd322e`)
const TEE = bytesOf(`
  a40a5048df7b172d70b5a18935d0460a73dd71190106f51901070219011081821901025858a60064336132340c01016b41636d6520544545204f53
  0d65332e312e340282a2181f6b41636d6520544545204f53182101a2181f6b41636d6520544545204f5318210206a111a118186e61636d655f7465
  655f332e657865`)

describe('the EATs of RFC 9711', () => {
  test('with a hardware block', () => {
    const { all, ...claims } = decodeEatClaims(HARDWARE, 'cbor')
    assert.equal(all.size, 6)
    assert.deepEqual(claims, {
      encoding: 'cbor',
      nonces: [bytesOf('d79b964ddd5471c1393c8888')],
      ueid: UEID,
      oemId: 64242,
      isOemBoot: true,
      debugStatus: 'disabled-permanently',
      hardwareVersion: { version: '3.1', scheme: 1 },
    })
  })

  test('in a CWT', () => {
    const message = decodeSign1(HARDWARE_CWT)
    assert.equal(message.tagging, 'cwt')
    assert.deepEqual(message.payload, HARDWARE)
  })

  test('with claims in the order that they were listed in', () => {
    const claims = decodeEatClaims(SIMPLE, 'cbor')
    assert.equal(claims.issuer, 'joe')
    assert.equal(claims.issuedAt, 1526542894)
    assert.deepEqual(claims.oemId, bytesOf('88124e'))
    assert.deepEqual(claims.hardwareModel, bytesOf('881cf5f243fbef3336bbd22547dddefc'))
  })

  test('with a claims set that is elsewhere, by the digest of it', () => {
    const claims = decodeEatClaims(TEE, 'cbor')
    assert.equal(claims.debugStatus, 'disabled-since-boot')
    assert.equal(claims.manifests?.[0]?.contentFormat, 258)
    const outer = encodeCbor(new Map([[266, new Map([['TEE', [-16, hash('sha256', TEE)]]])]]))
    assert.deepEqual(decodeEatClaims(outer, 'cbor').submodules?.get('TEE'), {
      kind: 'digest',
      algorithm: -16,
      digest: bytesOf('ab86f765643aabfd09c84eebe150b7f61bc24804cee75e90c5f99cb850fe808f'),
    })
  })

  test('unprotected', () => {
    assert.deepEqual(decodeUccs(bytesOf('d90259a10a480001020304050607')).nonces, [bytesOf('0001020304050607')])
    for (const hex of ['a10a480001020304050607', 'd9025aa10a480001020304050607', 'd9025980']) {
      assert.throws(() => decodeUccs(bytesOf(hex)), MessageError)
    }
  })

  test('in JSON', () => {
    const text =
      '{"eat_nonce":"MIDBNH28iioisjPy","ueid":"AgAEizrK3Q","oemid":76543,"swname":"Acme IoT OS","swversion":"3.1.4"}'
    const { all, ...claims } = decodeEatClaims(text, 'json')
    assert.equal(all.size, 5)
    assert.deepEqual(claims, {
      encoding: 'json',
      nonces: [textBytes('MIDBNH28iioisjPy')],
      ueid: bytesOf('0200048b3acadd'),
      oemId: 76543,
      softwareName: 'Acme IoT OS',
      softwareVersion: { version: '3.1.4' },
    })
  })

  test('are none when they are cut anywhere', () => {
    for (const payload of [HARDWARE, SIMPLE, TEE]) {
      for (let end = 0; end < payload.length; end++) {
        assert.throws(() => decodeEatClaims(payload.subarray(0, end), 'cbor'), messageError('ERR_RATS_CBOR'))
      }
    }
  })
})

describe('a claim', () => {
  const bytes = (size: number) => new Uint8Array(size).fill(1)
  const b64 = (size: number) => Buffer.from(bytes(size)).toString('base64url')
  const taken: readonly (readonly [keyof EatClaims, number, CborValue, string, CborValue, unknown])[] = [
    ['subject', 2, 's', 'sub', 's', 's'],
    ['audience', 3, 'a', 'aud', ['a'], ['a']],
    ['expiresAt', 4, 5, 'exp', 5, 5],
    ['notBefore', 5, 5, 'nbf', 5, 5],
    ['tokenId', 7, bytes(2), 'jti', '\u0001\u0001', bytes(2)],
    ['confirmation', 8, new Map([[1, new Map()]]), 'cnf', new Map([[1, new Map()]]), new Map([[1, new Map()]])],
    ['sueids', 257, new Map([['x', bytes(7)]]), 'sueids', new Map([['x', b64(7)]]), new Map([['x', bytes(7)]])],
    ['oemId', 258, bytes(16), 'oemid', b64(16), bytes(16)],
    ['hardwareModel', 259, bytes(32), 'hwmodel', b64(32), bytes(32)],
    ['uptime', 261, 7, 'uptime', 7, 7],
    ['isOemBoot', 262, false, 'oemboot', false, false],
    ['debugStatus', 263, 0, 'dbgstat', 'enabled', 'enabled'],
    [
      'location',
      264,
      new Map<number, CborValue>([
        [1, new Float(1.5)],
        [2, -3],
        [99, 'x'],
      ]),
      'location',
      new Map<string, CborValue>([
        ['latitude', new Float(1.5)],
        ['longitude', -3],
        ['else', 'x'],
      ]),
      { latitude: 1.5, longitude: -3 },
    ],
    ['profile', 265, bytesOf('6086480186f84d010f'), 'eat_profile', '2.16.840.1.113741.1.15', '2.16.840.1.113741.1.15'],
    ['profile', 265, bytesOf('2b0e'), 'eat_profile', '1.3.14', '1.3.14'],
    ['bootCount', 267, 3, 'bootcount', 3, 3],
    ['bootSeed', 268, bytes(8), 'bootseed', b64(8), bytes(8)],
    [
      'dloas',
      269,
      [
        ['a', 'b'],
        ['a', 'b', 'c'],
      ],
      'dloas',
      [
        ['a', 'b'],
        ['a', 'b', 'c'],
      ],
      [
        ['a', 'b'],
        ['a', 'b', 'c'],
      ],
    ],
    ['softwareVersion', 271, ['1', 'x'], 'swversion', ['1', 'x'], { version: '1', scheme: 'x' }],
    [
      'measurements',
      273,
      [[258, bytes(1)]],
      'measurements',
      [[258, b64(1)]],
      [{ contentFormat: 258, content: bytes(1) }],
    ],
    [
      'measurementResults',
      274,
      [
        [
          'sys',
          [
            ['a', 1],
            ['b', 4],
          ],
        ],
      ],
      'measres',
      [
        [
          'sys',
          [
            ['a', 'success'],
            ['b', 'absent'],
          ],
        ],
      ],
      [
        {
          system: 'sys',
          results: [
            { id: 'a', verdict: 'success' },
            { id: 'b', verdict: 'absent' },
          ],
        },
      ],
    ],
    ['intendedUse', 275, 5, 'intuse', 'pop', 'pop'],
    ['cmw', 299, [0, bytes(1)], 'cmw', ['text/plain', b64(1)], undefined],
  ]
  for (const [property, key, inCbor, name, inJson, expected] of taken) {
    test(`is read: ${name}`, () => {
      const [cbor, json] = [read('cbor', key, inCbor), read('json', name, inJson)]
      if (expected === undefined) assert.ok(cbor[property] !== undefined && json[property] !== undefined)
      else assert.deepEqual([cbor[property], json[property]], [expected, expected])
    })
  }

  const refused: readonly (readonly [string, number, CborValue, string, CborValue])[] = [
    ['a nonce of 7 bytes', 10, bytes(7), 'eat_nonce', 'x'.repeat(7)],
    ['a nonce that is too long', 10, bytes(65), 'eat_nonce', 'x'.repeat(89)],
    ['a list of one nonce', 10, [bytes(8)], 'eat_nonce', ['x'.repeat(8)]],
    ['a list with a nonce that is too short', 10, [bytes(8), bytes(7)], 'eat_nonce', ['x'.repeat(8), 'x']],
    ['a nonce of another type', 10, 'xxxxxxxx', 'eat_nonce', 12345678],
    ['a UEID of 6 bytes', 256, bytes(6), 'ueid', b64(6)],
    ['a UEID of 34 bytes', 256, bytes(34), 'ueid', b64(34)],
    ['an OEM id of 4 bytes', 258, bytes(4), 'oemid', b64(4)],
    ['a negative OEM id', 258, -1, 'oemid', -1],
    ['a time with a fraction', 6, new Float(1.5), 'iat', new Float(1.5)],
    ['a time as text', 6, '1', 'iat', '1'],
    ['a time before 1970', 4, -1, 'exp', -1],
    ['an empty hardware model', 259, bytes(0), 'hwmodel', ''],
    ['an unknown debug status', 263, 5, 'dbgstat', 'on'],
    ['debugging disabled for good by nobody', 263, 3, 'dbgstat', 'disabled-permanently'],
    ['an empty profile', 265, '', 'eat_profile', ''],
    ['an unknown use', 275, 0, 'intuse', 'all'],
    ['a boot state that is a number', 262, 1, 'oemboot', 1],
    ['submodules that are a list', 266, [], 'submods', []],
    ['a submodule that is a number', 266, new Map([['x', 1]]), 'submods', new Map([['x', 1]])],
    [
      'a submodule with a bad claim',
      266,
      new Map([['x', new Map([[10, bytes(7)]])]]),
      'submods',
      new Map([['x', new Map([['eat_nonce', 'x']])]]),
    ],
    [
      'a digest of 4 bytes',
      266,
      new Map([['x', [-16, bytes(4)]]]),
      'submods',
      new Map([['x', ['DIGEST', ['SHA-256', b64(4)]]]]),
    ],
    ['measurements of no format', 273, [['x', bytes(1)]], 'measurements', [['x', b64(1)]]],
    ['an empty list of manifests', 272, [], 'manifests', []],
    ['an unknown verdict', 274, [['sys', [['a', 0]]]], 'measres', [['sys', [['a', 'good']]]]],
    ['a malformed CMW', 299, [0], 'cmw', ['text/plain']],
    ['a version without a text', 271, [1], 'swversion', [1]],
  ]
  for (const [what, key, inCbor, name, inJson] of refused) {
    test(`is not ${what}`, () => {
      assert.throws(() => read('cbor', key, inCbor), MessageError)
      assert.throws(() => read('json', name, inJson), MessageError)
    })
  }

  test('is not an OID that is cut, padded or without end', () => {
    for (const hex of ['', '86', '8001', '2b8001', 'ffffffffffffffffffff7f']) {
      assert.throws(() => read('cbor', 265, bytesOf(hex)), messageError('ERR_RATS_CLAIM'), hex)
    }
  })

  test('means nothing where it is unknown, or named as in the other encoding', () => {
    for (const [encoding, label] of [
      ['cbor', 'eat_nonce'],
      ['cbor', 77777],
      ['json', 10],
      ['json', 'nonce'],
    ] as const) {
      const { all, ...claims } = readEatClaims(new Map<number | string, CborValue>([[label, 'x']]), encoding)
      assert.equal(all.size, 1)
      assert.deepEqual(claims, { encoding })
    }
  })

  test('may come as several nonces', () => {
    assert.deepEqual(read('cbor', 10, [bytes(8), bytes(64)]).nonces, [bytes(8), bytes(64)])
  })
})

describe('a submodule', () => {
  const inner = new Map([[10, bytesOf('0001020304050607')]])

  test('in CBOR is claims, a digest, or a token in either encoding', () => {
    const submodules = read(
      'cbor',
      266,
      new Map<string, CborValue>([
        ['claims', inner],
        ['cbor', bytesOf('d83d')],
        ['jwt', '["JWT","a.b.c"]'],
      ]),
    ).submodules
    const claims = submodules?.get('claims')
    assert.ok(claims?.kind === 'claims')
    assert.deepEqual(claims.claims.nonces, [bytesOf('0001020304050607')])
    assert.deepEqual(submodules?.get('cbor'), { kind: 'token', format: 'cbor', token: bytesOf('d83d') })
    assert.deepEqual(submodules?.get('jwt'), { kind: 'token', format: 'jwt', token: textBytes('a.b.c') })
  })

  test('in JSON is claims, or what its selector says', () => {
    const submodules = read(
      'json',
      'submods',
      new Map<string, CborValue>([
        ['claims', new Map([['eat_nonce', 'nonce-nonce']])],
        ['jwt', ['JWT', 'a.b.c']],
        ['cbor', ['CBOR', '2D0']],
        ['ujcs', ['UJCS', new Map([['iss', 'x']])]],
        ['digest', ['DIGEST', ['SHA-256', Buffer.alloc(32).toString('base64url')]]],
      ]),
    ).submodules
    assert.deepEqual(
      [...(submodules ?? [])].map(([label, { kind }]) => `${label} ${kind}`),
      ['claims claims', 'jwt token', 'cbor token', 'ujcs claims', 'digest digest'],
    )
    assert.throws(() => read('json', 'submods', new Map([['x', ['XML', 'x']]])), messageError('ERR_RATS_CLAIM'))
  })
})

test('a claims set is a map', () => {
  assert.throws(() => decodeEatClaims(bytesOf('80'), 'cbor'), messageError('ERR_RATS_CLAIM'))
  assert.throws(() => decodeEatClaims('[]', 'json'), messageError('ERR_RATS_CLAIM'))
  assert.throws(() => decodeEatClaims(encodeCbor(new Tagged(601, new Map())), 'cbor'), messageError('ERR_RATS_CLAIM'))
  assert.throws(() => decodeEatClaims('{}', 'cbor'), TypeError)
})

function read(encoding: EatEncoding, label: number | string, value: CborValue): EatClaims {
  const claims = new Map([[label, value]])
  if (encoding === 'cbor') return decodeEatClaims(encodeCbor(claims), 'cbor')
  // `cnf` of a JWT has names for keys; the one that is tested here is only looked at as a map.
  return label === 'cnf' ? readEatClaims(claims, 'json') : decodeEatClaims(encodeJson(claims), 'json')
}
