import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SimulatedIntel, tdxModuleSvn } from '#src/attester/index.js'
import { hex } from '#src/bytes/index.js'
import {
  ChainMemory,
  checkQuote,
  decodeQuote,
  FixedDcapEndorsements,
  FixedEndorsements,
  MissingEndorsement,
  qeIdentityFrom,
  RootsByKind,
  readCollateralBundle,
  tcbInfoFrom,
  tdxPlatform,
} from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { appraise, collateral, DAY, failures, flipped, intel, measurements, NOON, platform } from '../support/intel.js'

const quote = platform.tdxQuote(measurements)
const quote15 = platform.tdxQuote({ ...measurements, teeTcbSvn2: tdxModuleSvn(5) })
const sgxQuote = platform.sgxQuote({ isvSvn: 3 })

describe('a quote of a genuine platform', () => {
  test('is accepted in every version', () => {
    assert.deepEqual(failures(quote), [])
    assert.deepEqual(failures(quote15), [])
    assert.deepEqual(failures(sgxQuote, { tee: 'sgx' }), [])
    assert.deepEqual(
      [quote, quote15, sgxQuote].map(bytes => decodeQuote(bytes).version),
      [4, 5, 3],
    )
  })

  test('is accepted with anything behind its end', () => {
    const padded = new Uint8Array(8000).fill(7)
    padded.set(quote)
    assert.deepEqual(failures(padded), [])
    assert.equal(decodeQuote(padded).trailing, 8000 - quote.length)
  })

  test('tells its platform and its rating', () => {
    const { claims } = appraise(quote).environment
    assert.equal(claims.mrtd, '01'.repeat(48))
    assert.equal(claims.fmspc, '53494d554c41')
    assert.equal(claims['tcb-status'], 'UpToDate')
    assert.equal(claims['tdx-module'], 'TDX_01')
  })

  test('is marked as SIMULATED by its certificates', () => {
    assert.equal(appraise(quote).isSimulated, true)
  })
})

describe('a quote is refused', () => {
  const other = new SimulatedIntel({ now: NOON })
  const signedLength = decodeQuote(quote).signedBytes.length
  const cases: readonly (readonly [string, readonly string[], () => readonly string[]])[] = [
    ['of another root', ['chain'], () => failures(quote, { rootPem: other.rootPem })],
    ['under the true root', ['chain'], () => failures(other.platform().tdxQuote(measurements))],
    ['of another vendor’s Quoting Enclave', ['qe-vendor'], () => failures(flipped(quote, 12))],
    ['with a changed body', ['signature'], () => failures(flipped(quote, 48 + 0x88))],
    ['with a changed header', ['signature'], () => failures(flipped(quote, 28))],
    ['with a changed signature', ['signature'], () => failures(flipped(quote, signedLength + 4))],
    ['with another attestation key', ['attestation-key'], () => failures(flipped(quote, signedLength + 4 + 64))],
    ['with a changed QE report', ['qe-report-signature'], () => failures(flipped(quote, signedLength + 4 + 128 + 6))],
    ['before its certificates are valid', ['chain'], () => failures(quote, { at: NOON - 400 * DAY })],
    ['of a TD under debug', ['debug'], () => failures(platform.tdxQuote({ ...measurements, isDebuggable: true }))],
    ['of an enclave under debug', ['debug'], () => failures(platform.sgxQuote({ isDebuggable: true }), { tee: 'sgx' })],
  ]
  for (const [what, expected, run] of cases) test(what, () => assert.deepEqual(run().slice(0, 1), expected))

  test('whose PCK is revoked', () => {
    const revoking = intel.collateral({ tee: 'tdx', issuedAt: NOON - DAY, revoked: [platform] })
    assert.deepEqual(failures(quote, { collateral: revoking }), ['revocation'])
    assert.deepEqual(failures(intel.platform().tdxQuote(measurements), { collateral: revoking }), [])
  })

  test('by a Quoting Enclave of another signer, or below every level', () => {
    const qeIdentity = { mrsigner: '00'.repeat(32) }
    const changed = intel.collateral({ tee: 'tdx', issuedAt: NOON - DAY, qeIdentity })
    assert.deepEqual(failures(quote, { collateral: changed }), ['qe-identity'])
    assert.deepEqual(failures(platform.tdxQuote(measurements, 0)), ['qe-identity'])
  })

  test('of a TDX module that is not known, of another signer, or below every level', () => {
    const module = (changes: object) => failures(platform.tdxQuote({ ...measurements, ...changes }))
    assert.deepEqual(module({ teeTcbSvn: Uint8Array.of(5, 2, ...new Uint8Array(14)) })[0], 'tdx-module')
    assert.deepEqual(module({ mrSignerSeam: new Uint8Array(48).fill(1) }), ['tdx-module'])
    assert.deepEqual(module({ teeTcbSvn: tdxModuleSvn(4) }), ['tdx-module'])
  })

  test('of a platform below every level, in one component alone', () => {
    assert.deepEqual(failures(intel.platform({ componentSvn: 0 }).tdxQuote(measurements)), ['tcb-level'])
    assert.deepEqual(failures(intel.platform({ pceSvn: 0 }).tdxQuote(measurements)), ['tcb-level'])
    assert.deepEqual(failures(platform.tdxQuote({ ...measurements, teeTcbSvn: zeroAt(2) })), ['tcb-level'])
  })

  test('that is cut anywhere, before it is appraised', () => {
    for (const bytes of [quote, quote15]) {
      for (let length = 0; length < bytes.length; length += 13) {
        assert.throws(() => tdxPlatform.decode(bytes.subarray(0, length)), { code: 'ERR_RATS_MALFORMED' })
      }
    }
  })

  test('with any byte changed in front of its certificates', () => {
    const { certificationData, trailing } = decodeQuote(quote)
    const end = quote.length - trailing - certificationData.data.length
    for (let offset = 0; offset < end; offset += 7) {
      assert.notDeepEqual(failuresOrMalformed(flipped(quote, offset)), [], `byte ${offset}`)
    }
  })

  test('whose inner lengths do not come out even', () => {
    const inner = signedLength + 4 + 128 + 2
    assert.throws(() => decodeQuote(flipped(quote, inner)), { code: 'ERR_RATS_MALFORMED' })
    assert.throws(() => decodeQuote(new Uint8Array(0x10001)), { code: 'ERR_RATS_MALFORMED' })
  })

  test('that is about an enclave where a TD is expected', () => {
    assert.throws(() => tdxPlatform.decode(sgxQuote), { code: 'ERR_RATS_MALFORMED' })
  })
})

/** What a quote is refused for; `malformed` where it cannot be read, or asks for a certificate that nobody has. */
function failuresOrMalformed(bytes: Uint8Array): readonly string[] {
  try {
    return failures(bytes)
  } catch (error) {
    if (error instanceof MessageError || error instanceof MissingEndorsement) return ['malformed']
    throw error
  }
}

/** The SVN of TDX module 1.5, with one byte zero. */
function zeroAt(index: number): Uint8Array {
  return tdxModuleSvn(5).map((byte, i) => (i === index ? 0 : byte))
}

describe('a rating', () => {
  const tcbDate = '2026-01-01T00:00:00Z'
  const january = Date.parse(tcbDate)
  const components = (svn: number) => Array.from({ length: 16 }, () => ({ svn }))
  const levels = (status: string) => [
    { tcb: { sgxtcbcomponents: components(2), pcesvn: 1 }, tcbDate, tcbStatus: 'UpToDate' },
    {
      tcb: { sgxtcbcomponents: components(1), pcesvn: 1 },
      tcbDate: '2024-01-01T00:00:00Z',
      tcbStatus: status,
      advisoryIDs: ['INTEL-SA-00001'],
    },
  ]
  const rated = (status: string, qe = 'UpToDate') =>
    intel.collateral({
      tee: 'sgx',
      issuedAt: NOON - DAY,
      tcbInfo: { tcbLevels: levels(status) },
      qeIdentity: { tcbLevels: [{ tcb: { isvsvn: 1 }, tcbDate, tcbStatus: qe }] },
    })
  const statusOf = (status: string, qe?: string) =>
    appraise(sgxQuote, { tee: 'sgx', collateral: rated(status, qe) }).environment.claims['tcb-status']

  test('is the level’s, lowered by the Quoting Enclave’s', () => {
    const table = [
      ['UpToDate', 'UpToDate', 'UpToDate'],
      ['SWHardeningNeeded', 'UpToDate', 'SWHardeningNeeded'],
      ['UpToDate', 'OutOfDate', 'OutOfDate'],
      ['SWHardeningNeeded', 'OutOfDate', 'OutOfDate'],
      ['ConfigurationNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
      ['ConfigurationAndSWHardeningNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
      ['OutOfDate', 'OutOfDate', 'OutOfDate'],
      ['Revoked', 'UpToDate', 'Revoked'],
      ['UpToDate', 'Revoked', 'Revoked'],
    ] as const
    for (const [level, qe, expected] of table) assert.equal(statusOf(level, qe), expected, `${level} with ${qe}`)
  })

  test('is refused unless the policy has its status', () => {
    const collateral = rated('OutOfDate')
    assert.deepEqual(failures(sgxQuote, { tee: 'sgx', collateral }), ['tcb-status'])
    assert.deepEqual(failures(sgxQuote, { tee: 'sgx', collateral, statuses: ['OutOfDate'] }), [])
  })

  test('is excused for as long as the policy says after the better level came out', () => {
    const collateral = rated('OutOfDate')
    const sinceJanuary = (NOON - january) / 1000
    const run = (graceSeconds: number) => failures(sgxQuote, { tee: 'sgx', collateral, graceSeconds })
    assert.deepEqual(run(sinceJanuary + 1), [])
    assert.deepEqual(run(sinceJanuary - 1), ['tcb-status'])
  })

  test('is never excused when it is Revoked', () => {
    const collateral = rated('Revoked')
    assert.deepEqual(failures(sgxQuote, { tee: 'sgx', collateral, graceSeconds: 1e9 }), ['tcb-status'])
  })

  test('takes the best level, in whatever order they stand', () => {
    const tcbLevels = levels('OutOfDate').reverse()
    const reversed = intel.collateral({ tee: 'sgx', issuedAt: NOON - DAY, tcbInfo: { tcbLevels } })
    const newer = intel.platform({ componentSvn: 2 }).sgxQuote({})
    assert.deepEqual(failures(newer, { tee: 'sgx', collateral: reversed }), [])
  })

  describe('of a TD that an older TDX module launched', () => {
    const signer = { mrsigner: '0'.repeat(96), attributes: '0'.repeat(16), attributesMask: 'F'.repeat(16) }
    const module = (isvsvn: number, tcbStatus: string) => ({ tcb: { isvsvn }, tcbDate, tcbStatus })
    const tdxModuleIdentities = [
      { id: 'TDX_01', ...signer, tcbLevels: [module(7, 'UpToDate'), module(4, 'OutOfDate')] },
    ]
    const updated = intel.collateral({ tee: 'tdx', issuedAt: NOON - DAY, tcbInfo: { tdxModuleIdentities } })
    const td = (launched: number, running?: number) =>
      platform.tdxQuote({
        ...measurements,
        teeTcbSvn: tdxModuleSvn(launched),
        ...(running === undefined ? {} : { teeTcbSvn2: tdxModuleSvn(running) }),
      })
    const statusOfTd = (launched: number, running?: number) =>
      appraise(td(launched, running), { collateral: updated }).environment.claims['tcb-status']

    test('is OutOfDate while that module runs', () => {
      assert.equal(statusOfTd(4), 'OutOfDate')
      assert.equal(statusOfTd(4, 4), 'OutOfDate')
    })

    test('is TDRelaunchAdvised when the newest runs', () => {
      assert.equal(statusOfTd(4, 7), 'TDRelaunchAdvised')
      assert.equal(statusOfTd(7, 7), 'UpToDate')
    })

    test('is accepted as TDRelaunchAdvised by a policy that has it, or that has OutOfDate', () => {
      const run = (...statuses: string[]) => failures(td(4, 7), { collateral: updated, statuses })
      assert.deepEqual(run('TDRelaunchAdvised'), [])
      assert.deepEqual(run('OutOfDate'), [])
      assert.deepEqual(run('UpToDate'), ['tcb-status'])
    })
  })
})

describe('collateral that does not do is not the quote’s fault', () => {
  const broken = (name: keyof typeof collateral.tdx, value: unknown) => ({ ...collateral.tdx, [name]: value })
  const other = new SimulatedIntel({ now: NOON }).collateral({ tee: 'tdx', issuedAt: NOON - DAY })
  const later = intel.collateral({ tee: 'tdx', issuedAt: NOON + DAY })
  const old = intel.collateral({ tee: 'tdx', issuedAt: NOON - 40 * DAY })
  const elsewhere = intel.collateral({ tee: 'tdx', issuedAt: NOON - DAY, tcbInfo: { fmspc: '000000000000' } })
  const cases: readonly (readonly [string, Parameters<typeof failures>[1], string, string])[] = [
    ['none at hand', { collateral: null }, 'dcap-root-crl', 'ERR_ENDORSEMENT_MISSING'],
    ['for another platform', { collateral: elsewhere }, 'dcap-tcb-info', 'ERR_ENDORSEMENT_MISSING'],
    ['expired', { collateral: old }, 'dcap-root-crl', 'ERR_ENDORSEMENT_EXPIRED'],
    ['from the future', { collateral: later }, 'dcap-root-crl', 'ERR_ENDORSEMENT_NOT_YET_VALID'],
    ['of another root', { collateral: other }, 'dcap-root-crl', 'ERR_ENDORSEMENT_INVALID'],
    [
      'with an expired PCK CRL',
      { collateral: broken('pckCrl', old.pckCrl) },
      'dcap-pck-crl',
      'ERR_ENDORSEMENT_EXPIRED',
    ],
    [
      'with expired TCB info',
      { collateral: broken('tcbInfo', old.tcbInfo) },
      'dcap-tcb-info',
      'ERR_ENDORSEMENT_EXPIRED',
    ],
    [
      'with an expired QE identity',
      { collateral: broken('qeIdentity', old.qeIdentity) },
      'dcap-qe-identity',
      'ERR_ENDORSEMENT_EXPIRED',
    ],
    [
      'with TCB info of another signer',
      { collateral: broken('tcbInfo', other.tcbInfo) },
      'dcap-tcb-info',
      'ERR_ENDORSEMENT_INVALID',
    ],
    [
      'with TCB info that was written anew',
      { collateral: broken('tcbInfo', collateral.tdx.tcbInfo.replace('"TDX"', '"TDX" ')) },
      'dcap-tcb-info',
      'ERR_ENDORSEMENT_INVALID',
    ],
    [
      'signed by a PCK',
      { collateral: broken('tcbInfoIssuerChain', platform.chain) },
      'dcap-tcb-info',
      'ERR_ENDORSEMENT_INVALID',
    ],
  ]
  for (const [what, changes, kind, code] of cases) {
    test(what, () => {
      assert.throws(
        () => failures(quote, changes),
        (error: unknown) => error instanceof MissingEndorsement && error.kind === kind && error.code === code,
      )
    })
  }

  test('but a quote that is bad anyway is refused without any', () => {
    assert.deepEqual(failures(flipped(quote, 200), { collateral: null }), ['signature'])
  })

  test('and is asked for by what the quote says', () => {
    assert.deepEqual(tdxPlatform.needs?.(tdxPlatform.decode(quote)), [
      { kind: 'dcap-tcb-info', parameters: { tee: 'tdx', fmspc: '53494d554c41' } },
      { kind: 'dcap-qe-identity', parameters: { tee: 'tdx' } },
      { kind: 'dcap-pck-crl', parameters: { ca: 'platform' } },
      { kind: 'dcap-root-crl', parameters: {} },
    ])
  })
})

describe('signed documents of Intel’s', () => {
  const { tcbInfo, tcbInfoIssuerChain } = collateral.tdx
  const chain = tcbInfoIssuerChain

  test('are read wherever the value stands, and signed as it is spelled', () => {
    const { tcbInfo: value, signature } = JSON.parse(tcbInfo)
    const reordered = `{ "signature": "${signature}", "tcbInfo":\n${JSON.stringify(value)}}`
    assert.ok(tcbInfoFrom(reordered, chain).isSigned)
    assert.ok(!tcbInfoFrom(tcbInfo.replace('"pcesvn":1', '"pcesvn": 1'), chain).isSigned)
  })

  const wrong: readonly (readonly [string, string])[] = [
    ['a member that stands twice', tcbInfo.replace('"version":3', '"version":3,"version":3')],
    ['an escaped member that stands twice', tcbInfo.replace('"version":3', '"version":3,"versio\\u006e":3')],
    ['an SVN that is no whole number', tcbInfo.replace('"svn":1', '"svn":1.5')],
    ['15 components', tcbInfo.replace('{"svn":1},', '')],
    ['an unknown status', tcbInfo.replace('UpToDate', 'Excellent')],
    ['an unknown type', tcbInfo.replace('"TDX"', '"TDY"')],
    ['another comparison', tcbInfo.replace('"tcbType":0', '"tcbType":1')],
    ['a signature of another length', tcbInfo.replace(/..."}$/, '"}')],
    ['a trailing comma', tcbInfo.replace(/}$/, ',}')],
    ['a date that is none', tcbInfo.replace(/"issueDate":"[^"]*"/, '"issueDate":"yesterday"')],
    ['no end', tcbInfo.slice(0, -1)],
    ['depth without end', '['.repeat(100_000) + ']'.repeat(100_000)],
  ]
  for (const [what, text] of wrong) {
    test(`are refused with ${what}`, () => assert.throws(() => tcbInfoFrom(text, chain), { code: 'ERR_RATS_JSON' }))
  }

  test('are not taken for each other', () => {
    assert.throws(() => qeIdentityFrom(tcbInfo, chain), { code: 'ERR_RATS_JSON' })
  })

  test('come in a bundle as well, spelled as they are signed', () => {
    const { tdx } = collateral
    const content = (body: string, name: string) => {
      const { [name]: value, signature } = JSON.parse(body)
      return [JSON.stringify(value), signature] as const
    }
    const [tcb_info, tcb_info_signature] = content(tdx.tcbInfo, 'tcbInfo')
    const [qe_identity, qe_identity_signature] = content(tdx.qeIdentity, 'enclaveIdentity')
    const bundle = {
      tcb_info,
      tcb_info_signature,
      tcb_info_issuer_chain: tdx.tcbInfoIssuerChain,
      qe_identity,
      qe_identity_signature,
      qe_identity_issuer_chain: tdx.qeIdentityIssuerChain,
      pck_crl: hex(tdx.pckCrl),
      root_ca_crl: hex(tdx.rootCrl),
      pck_crl_issuer_chain: '',
    }
    assert.deepEqual(failures(quote, { collateral: readCollateralBundle(JSON.stringify(bundle)) }), [])
    assert.throws(() => readCollateralBundle(JSON.stringify({ ...bundle, pck_crl: 'xyz' })), { code: 'ERR_RATS_JSON' })
    assert.throws(() => readCollateralBundle('{}'), { code: 'ERR_RATS_JSON' })
  })

  test('give way to newer ones', () => {
    const newer = intel.collateral({ tee: 'tdx', issuedAt: NOON })
    for (const order of [
      [collateral.tdx, newer],
      [newer, collateral.tdx],
    ]) {
      const held = new FixedDcapEndorsements(order).tcbInfo('tdx', '53494d554c41')
      assert.equal(held?.content.issueDate, NOON)
    }
  })
})

describe('a chain is refused', () => {
  const end = quote.length - 100

  test('with another root at its end, even if nobody needs that one', () => {
    assert.deepEqual(failures(flipped(quote, end)), ['chain'])
  })

  test('of the signer of collateral too, as the collateral’s fault', () => {
    const { tcbInfoIssuerChain } = collateral.tdx
    const more = { ...collateral.tdx, tcbInfoIssuerChain: tcbInfoIssuerChain + platform.pem }
    assert.throws(() => failures(quote, { collateral: more }), { code: 'ERR_ENDORSEMENT_INVALID' })
    const leafOnly = tcbInfoIssuerChain.slice(0, tcbInfoIssuerChain.indexOf('-----BEGIN', 10))
    assert.deepEqual(failures(quote, { collateral: { ...collateral.tdx, tcbInfoIssuerChain: leafOnly } }), [])
  })
})

describe('what is remembered of a chain', () => {
  const inputs = {
    roots: new RootsByKind({ tdx: [intel.rootPem] }),
    endorsements: new FixedEndorsements({ dcap: new FixedDcapEndorsements([collateral.tdx]) }),
    at: NOON,
  }
  const run = (bytes: Uint8Array, at = NOON) =>
    checkQuote(decodeQuote(bytes), { ...inputs, at }).findings.flatMap(({ check }) =>
      check.passed ? [] : [check.name],
    )

  test('is never taken for what another quote would need', () => {
    const start = decodeQuote(quote).signedBytes.length + 4
    const [ak, qeReport] = [start + 64, start + 128 + 6]
    assert.deepEqual(run(quote), [])
    assert.deepEqual(run(flipped(quote, ak)), ['attestation-key'])
    assert.deepEqual(run(flipped(quote, qeReport)), ['qe-report-signature'])
    assert.deepEqual(run(flipped(quote, qeReport + 384)), ['qe-report-signature'])
    assert.deepEqual(run(flipped(quote, start)), ['signature'])
    assert.deepEqual(run(quote), [])
    assert.deepEqual(run(platform.tdxQuote({ ...measurements, reportData: new Uint8Array(64).fill(1) })), [])
  })

  test('does not outlive the certificates', () => {
    assert.deepEqual(run(quote), [])
    assert.deepEqual(run(quote, NOON + 4000 * DAY), ['chain'])
  })

  test('is bounded, the oldest going first', () => {
    const memory = new ChainMemory()
    let computed = 0
    const recall = (name: string) => memory.recall(name, () => ++computed)
    for (let i = 0; i < 100; i++) recall(`key ${i}`)
    assert.equal(recall('key 99'), 100)
    assert.equal(recall('key 0'), 101)
  })
})

describe('garbage', () => {
  test('is refused as such, however it looks', () => {
    const mutation = fc.record({ at: fc.nat(quote.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) })
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), mutations => {
        const changed = Uint8Array.from(quote)
        for (const { at, bytes } of mutations) changed.set(bytes.subarray(0, changed.length - at), at)
        failuresOrMalformed(changed)
      }),
      { numRuns: 200 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), bytes => failuresOrMalformed(bytes).length > 0))
  })

  test('beside the signed text changes nothing, inside it nothing goes unnoticed', () => {
    const { tcbInfo, tcbInfoIssuerChain } = collateral.tdx
    fc.assert(
      fc.property(fc.nat(tcbInfo.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
        const changed = tcbInfo.slice(0, at) + character + tcbInfo.slice(at + 1)
        try {
          assert.ok(changed === tcbInfo || !tcbInfoFrom(changed, tcbInfoIssuerChain).isSigned || isCaseOfHex(at))
        } catch (error) {
          if (!(error instanceof MessageError)) throw error
        }
      }),
      { numRuns: 300 },
    )
  })
})

/** The signature is in hex, whose letters have two cases. */
function isCaseOfHex(at: number): boolean {
  return at > collateral.tdx.tcbInfo.lastIndexOf('"signature"')
}
