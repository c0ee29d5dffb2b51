import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  appraiseReport,
  contentsOfCorim,
  decodeParsecTpmEvidence,
  type Endorsements,
  openCorim,
  type Platform,
  psaPlatform,
  RootsByKind,
  snpPlatform,
  tpmPlatform,
} from '#src/evidence/index.js'
import { endorsementsOfCorims, policyOfCorims, rootsOfCorims } from '#src/verifier/index.js'
import { fileOf, type VectorCase } from './adapter.js'
import { snpEndorsements } from './adapters/sev-snp.js'
import { loadVectors, vectorsFolder } from './load.js'

/*
 * Vectors that came with the manifest of their maker: the manifest alone, as policy, keys and roots, has to accept the
 * Evidence, and to refuse it when it asks for another measurement.
 */

/** The names of the checks that fail. @param isOther whether the manifest is about other software */
type Run = (vector: VectorCase, isOther: boolean) => readonly string[]

const runs: Readonly<Partial<Record<string, Run>>> = {
  psa: (vector, isOther) => failures(vector, isOther, psaPlatform, psaPlatform.decode(fileOf(vector, 'token'))),
  'parsec-tpm': (vector, isOther) =>
    failures(vector, isOther, tpmPlatform, decodeParsecTpmEvidence(fileOf(vector, 'evidence'))),
  // A manifest of AMD's has no certificates of platforms.
  'sev-snp': (vector, isOther) =>
    failures(vector, isOther, snpPlatform, snpPlatform.decode(fileOf(vector, 'report')), snpEndorsements(vector)),
}

const folder = vectorsFolder()
const mayNotSkip = Boolean(process.env.CI || process.env.ATTESTED_TLS_NO_SKIP)

if (folder === null) {
  const reason = 'the vectors are not here: neither ATTESTED_TLS_VECTORS nor ../shared/vectors leads to them'
  test('the manifests of vectors', { skip: mayNotSkip ? false : reason }, () => assert.fail(reason))
  if (!mayNotSkip) console.error(`SKIPPED: ${reason}`)
} else {
  describe('the manifest of its maker', () => {
    for (const { path, base, expected } of loadVectors(folder)) {
      const run = runs[base.format]
      if (!run || !base.files.has('corim') || expected.outcome !== 'accept') continue
      test(`is all that is needed to accept ${path}`, () => {
        assert.deepEqual(run(base, false), [])
        assert.deepEqual(run(base, true), ['measurement'])
      })
    }
  })
}

function failures<Report>(
  vector: VectorCase,
  isOther: boolean,
  platform: Platform<Report>,
  report: Report,
  endorsements?: Endorsements,
): readonly string[] {
  const at = vector.at ?? 0
  const manifest = contentsOfCorim(openCorim(fileOf(vector, 'corim'), { at, dangerouslyAllowUnsigned: true }))
  const references = manifest.references.map(reference => ({
    ...reference,
    measurements: new Map([...reference.measurements].map(([name, values]) => [name, isOther ? [NOTHING] : values])),
  }))
  const lifecycle = { psa: platform.policyTerms.lifecycles }
  const policy = policyOfCorims([{ ...manifest, references }], { lifecycle })
  const inputs = {
    roots: new RootsByKind(rootsOfCorims([manifest])),
    endorsements: endorsements ?? endorsementsOfCorims([manifest]),
    at,
    referenceValues: policy.referenceValues({ trustsSimulatedPlatforms: false }),
  }
  const { findings } = appraiseReport(platform, report, inputs, () => [])
  return findings.flatMap(({ check }) => (check.passed ? [] : [check.name]))
}

const NOTHING = '00'.repeat(32)
