import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { concat, hex, utf8 } from '#src/bytes/index.js'
import { hash } from '#src/crypto/index.js'
import {
  EvidenceExtension,
  encodeRaTlsClaims,
  encodeRaTlsEvidence,
  evidenceInCertificate,
  FixedDcapEndorsements,
  FixedEndorsements,
  MalformedEvidence,
  raTlsReportData,
} from '#src/evidence/index.js'
import { type Cmw, encodeCbor, encodeCmw, encodeCmwExtension, type IdentityKey, Tagged } from '#src/rats/index.js'
import { Policy } from '#src/verifier/index.js'
import { parseCertificate } from '#src/x509/index.js'
import { collateral, DAY, intel, measurements, NOON, platform } from '../support/intel.js'
import { makeSelfSigned } from '../support/pki.js'
import * as simulated from '../support/simulated.js'
import { attesterOf, failures, newKey, patient, verifierOf } from '../support/simulated.js'

/*
 * Evidence in a certificate, for the key of that certificate: made before anybody asked for it.
 */

const { cmw, dice, gramine } = EvidenceExtension
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = Uint8Array.from(keys.publicKey.export({ format: 'der', type: 'spki' }))
const key: IdentityKey = { spki, id: hash('sha256', spki) }
const nonce = new Uint8Array(32).fill(7)

/** A certificate for the key above, with an extension, made an hour before. */
function certificateWith(oid: string, value: Uint8Array, now: number): Uint8Array {
  const notBefore = new Date(now - 3_600_000)
  const extraExtensions = [{ oid, value }]
  return makeSelfSigned({ subject: 'enclave', keys, notBefore, notAfter: new Date(now + DAY), extraExtensions })
    .certificate
}

const submission = (certificate: Uint8Array, maxAgeSeconds = 86_400) => ({
  certificate,
  key,
  maxAgeSeconds,
  signal: patient,
})

describe('Evidence as a CMW in a certificate', () => {
  const evidence = (about = key): Promise<Cmw> => {
    const attester = attesterOf()
    const [type = ''] = attester.evidenceTypes
    return attester.evidence({ type, challenge: nonce, key: about, signal: patient })
  }
  const appraise = async (value: Uint8Array, oid: string = cmw, maxAgeSeconds?: number) =>
    verifierOf().appraiseCertificate?.(submission(certificateWith(oid, value, simulated.NOON), maxAgeSeconds))

  for (const form of ['json', 'cbor'] as const) {
    test(`in ${form} is appraised for the key of the certificate`, async () => {
      const result = await appraise(encodeCmwExtension(await evidence(), form))
      assert.deepEqual(result && failures(result), [])
      assert.equal(result?.isAccepted, true)
      assert.deepEqual(result?.attestedKey, spki)
      assert.equal(result?.isSimulated, true)
    })
  }

  test('may stand in the extension of DICE', async () => {
    const result = await appraise(encodeCmw(await evidence(), 'cbor'), dice)
    assert.equal(result?.isAccepted, true)
  })

  test('answers no challenge, issues no result that could travel, and holds no longer than the certificate', async () => {
    const verifier = verifierOf({
      signingKey: newKey(),
      policy: Policy.from({ ...simulated.document, resultLifetimeSeconds: 1_000_000 }),
    })
    const certificate = certificateWith(cmw, encodeCmwExtension(await evidence()), simulated.NOON)
    const result = await verifier.appraiseCertificate?.(submission(certificate))
    assert.equal(result?.isAccepted, true)
    assert.equal(result?.challenge, null)
    assert.equal(result?.token, null)
    assert.equal(result?.expiresAt, (simulated.NOON + DAY) / 1000)
    assert.equal(result?.checks.find(({ name }) => name === 'challenge')?.expected, 'any: nobody asked')
  })

  test('for another key is refused', async () => {
    const result = await appraise(encodeCmwExtension(await evidence(simulated.someKey)))
    assert.equal(result?.isAccepted, false)
    assert.ok(result && failures(result).includes('key-binding'))
  })

  test('that is older than it may be is refused', async () => {
    const value = encodeCmwExtension(await evidence())
    assert.equal((await appraise(value, cmw, 3_600))?.isAccepted, true)
    const result = await appraise(value, cmw, 3_599)
    assert.equal(result?.isAccepted, false)
    assert.equal(result?.status, 'contraindicated')
    assert.deepEqual(result && failures(result), ['certificate-age'])
  })

  test('in a certificate of another time is refused', async () => {
    const value = encodeCmwExtension(await evidence())
    for (const now of [simulated.NOON - 2 * DAY, simulated.NOON + 2 * DAY]) {
      const certificate = certificateWith(cmw, value, now)
      const result = await verifierOf().appraiseCertificate?.(submission(certificate, 10 * 86_400))
      assert.deepEqual(result && failures(result), ['certificate-age'])
    }
  })

  test('that says it is something else, is malformed, too large or of an unknown type is not appraised', async () => {
    const record = (more: object) =>
      encodeCmwExtension({ kind: 'record', type: 'a/b', value: utf8('x'), ...more } as Cmw)
    const cases: readonly (readonly [Uint8Array, string])[] = [
      [record({ indicators: 8 }), 'ERR_EVIDENCE_MALFORMED'],
      [utf8('nonsense'), 'ERR_EVIDENCE_MALFORMED'],
      [record({ value: new Uint8Array(65_000).fill(1), type: 'a/b' }), 'ERR_EVIDENCE_UNKNOWN_TYPE'],
      [record({}), 'ERR_EVIDENCE_UNKNOWN_TYPE'],
    ]
    for (const [value, code] of cases) {
      const result = await appraise(value)
      assert.equal(result?.status, 'none')
      assert.equal(result?.problemCode, code)
    }
  })

  test('is not there in most certificates', async () => {
    const plain = makeSelfSigned({ subject: 'plain', keys }).certificate
    assert.equal(evidenceInCertificate(parseCertificate(plain)), null)
    assert.equal(await verifierOf().appraiseCertificate?.(submission(plain)), null)
  })
})

for (const tee of ['tdx', 'sgx'] as const) {
  describe(`RA-TLS Evidence with a quote of ${tee}`, () => {
    const quoteFor = (reportData: Uint8Array) =>
      tee === 'tdx'
        ? platform.tdxQuote({ ...measurements, reportData })
        : platform.sgxQuote({ mrEnclave: new Uint8Array(32).fill(1), mrSigner: new Uint8Array(32).fill(2), reportData })
    const values: Readonly<Record<string, string>> =
      tee === 'tdx'
        ? {
            mrtd: hex(measurements.mrTd),
            ...Object.fromEntries(measurements.rtmrs.map((rtmr, i) => [`rtmr${i}`, hex(rtmr)])),
          }
        : { mrenclave: '01'.repeat(32) }
    const verifier = verifierOf({
      policy: Policy.from({ version: 1, platforms: [{ kind: tee, measurements: [{ values }] }] }),
      roots: { [tee]: [intel.rootPem] },
      endorsements: new FixedEndorsements({ dcap: new FixedDcapEndorsements([collateral[tee]]) }),
      now: () => NOON,
    })
    const appraise = (value: Uint8Array, oid: string = dice) =>
      verifier.appraiseCertificate?.(submission(certificateWith(oid, value, NOON)))
    const interoperable = (claims: Uint8Array) => encodeRaTlsEvidence(quoteFor(raTlsReportData(claims)), claims)

    for (const [name, claims] of [
      ['without a nonce', encodeRaTlsClaims(spki)],
      ['with a nonce', encodeRaTlsClaims(spki, nonce)],
      [
        'with claims of its own, in an order of its own',
        concat(
          Uint8Array.of(0xa2),
          ...['pubkey-hash', encodeCbor([8, hash('sha512', spki)]), 'x', nonce].map(item => encodeCbor(item)),
        ),
      ],
    ] as const) {
      test(`${name} is appraised for the key of the certificate`, async () => {
        const result = await appraise(interoperable(claims))
        assert.deepEqual(result && failures(result), [])
        assert.equal(result?.isAccepted, true)
        assert.deepEqual(result?.attestedKey, spki)
        assert.deepEqual(Object.keys(result?.submodules ?? {}), [tee])
      })
    }

    test('is appraised in the form that Gramine made before', async () => {
      const result = await appraise(quoteFor(raTlsReportData(spki)), gramine)
      assert.deepEqual(result && failures(result), [])
      assert.deepEqual(result?.attestedKey, spki)
    })

    test('for another key is refused, whatever is put together', async () => {
      const theirs = encodeRaTlsClaims(simulated.someKey.spki)
      const ours = encodeRaTlsClaims(spki)
      const relayed = await appraise(interoperable(theirs))
      assert.deepEqual(relayed && failures(relayed), ['key-binding'])
      const swapped = await appraise(encodeRaTlsEvidence(quoteFor(raTlsReportData(theirs)), ours))
      assert.ok(swapped && failures(swapped).includes('kat-binding'))
      const old = await appraise(quoteFor(raTlsReportData(simulated.someKey.spki)), gramine)
      assert.ok(old && failures(old).includes('kat-binding'))
      for (const result of [relayed, swapped, old]) {
        assert.equal(result?.isAccepted, false)
        assert.equal(result?.attestedKey, null)
      }
    })

    test('whose report data goes on behind the hash is refused', async () => {
      const claims = encodeRaTlsClaims(spki)
      const reportData = raTlsReportData(claims)
      reportData[63] = 1
      const result = await appraise(encodeRaTlsEvidence(quoteFor(reportData), claims))
      assert.ok(result && failures(result).includes('kat-binding'))
    })

    test('that has another shape is not appraised', async () => {
      const claims = encodeRaTlsClaims(spki)
      const quote = quoteFor(raTlsReportData(claims))
      const shapes: readonly Uint8Array[] = [
        encodeCbor(new Tagged(60001, [quote, claims])),
        encodeCbor(new Tagged(60002, [quote, claims])),
        encodeCbor(new Tagged(60000, [quote])),
        encodeCbor(new Tagged(60000, [quote, claims, claims])),
        encodeCbor(new Tagged(60000, [quote.subarray(0, 100), claims])),
        encodeRaTlsEvidence(quote, encodeCbor(new Map([['nonce', nonce]]))),
        encodeRaTlsEvidence(quote, encodeCbor(new Map([['pubkey-hash', encodeCbor([2, hash('sha256', spki)])]]))),
        encodeRaTlsEvidence(quote, encodeCbor(new Map([['pubkey-hash', hash('sha256', spki)]]))),
      ]
      for (const value of shapes) {
        const result = await appraise(value)
        assert.equal(result?.problemCode, 'ERR_EVIDENCE_MALFORMED')
      }
    })
  })
}

test('a report that only its own machine can check says so', () => {
  const value = encodeCbor(new Tagged(60001, [nonce, nonce]))
  const certificate = parseCertificate(certificateWith(dice, value, NOON))
  assert.throws(() => evidenceInCertificate(certificate), MalformedEvidence)
})
