import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { parseArgs } from 'node:util'
import { createVerifier } from 'attested-tls'
import { SimulatedAmd, SimulatedSnpAttester } from 'attested-tls/attester'
import { median, spread } from './statistics.js'

/*
 * Appraisals of SEV-SNP reports by the embedded Verifier, session and report included, in turn with what the P-384
 * signature of each costs. Every report is bound to a challenge and a TLS key of its own; the platforms are eight, whose
 * certificate chains are known after the first report of each.
 */

const USAGE = `node build/bench/snp.js [--rounds N] [--seconds S] [--json]

  --rounds N    measurements of each side (5)
  --seconds S   how long each takes (1)`

const REPORTS = 1000
const PLATFORMS = 8
const MEASUREMENT = Buffer.alloc(48, 7)

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return
  }
  const sides = { ours: await ours(), floor: oneSignature() }
  const rates: Record<keyof typeof sides, number[]> = { ours: [], floor: [] }
  // The first round warms up and does not count.
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const name of ['ours', 'floor'] as const) {
      const rate = await rateOf(sides[name], Number(values.seconds))
      if (round > 0) rates[name].push(rate)
    }
  }
  if (values.json) {
    console.log(JSON.stringify({ name: 'snp', unit: 'appraisals/s', ...rates }))
    return
  }
  const text = (side: readonly number[]) => `${median(side).toFixed(0)}/s ±${(spread(side) * 100).toFixed(0)} %`
  const part = ((100 * median(rates.ours)) / median(rates.floor)).toFixed(0)
  console.log(
    `SEV-SNP report, bound to a key: ${text(rates.ours)}; one P-384 signature: ${text(rates.floor)} (${part} %)`,
  )
}

async function rateOf(work: (i: number) => unknown, seconds: number): Promise<number> {
  const start = performance.now()
  const end = start + seconds * 1000
  let count = 0
  while (performance.now() < end) await work(count++ % REPORTS)
  return (count * 1000) / (performance.now() - start)
}

async function ours(): Promise<(i: number) => Promise<void>> {
  const amd = new SimulatedAmd({ now: Date.now(), line: 'genoa' })
  const verifier = createVerifier({
    policy: {
      version: 1,
      platforms: [
        {
          kind: 'sev-snp',
          measurements: [{ values: { launch: MEASUREMENT.toString('hex') } }],
          minimumVersions: { microcode: 1 },
        },
      ],
    },
    roots: { 'sev-snp': [amd.rootPem] },
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => {},
  })
  const { signal } = new AbortController()
  const attesters = Array.from(
    { length: PLATFORMS },
    (_, i) => new SimulatedSnpAttester(amd.platform({ name: `machine ${i}` }), { measurement: MEASUREMENT }),
  )
  const submissions = await Promise.all(
    Array.from({ length: REPORTS }, async (_, i) => {
      const spki = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' })
      const key = { spki, id: createHash('sha256').update(spki).digest() }
      const challenge = createHash('sha256').update(String(i)).digest()
      const attester = attesters[i % PLATFORMS]
      if (!attester) throw new Error('there is no such machine')
      const [type = ''] = attester.evidenceTypes
      return { message: await attester.evidence({ type, challenge, key, signal }), challenge, key, signal }
    }),
  )
  return async i => {
    const submission = submissions[i]
    if (!submission) throw new Error('there is no such report')
    const session = await verifier.newSession({ signal })
    const { isAccepted, checks } = await session.appraise(submission)
    if (!isAccepted) throw new Error(`the report is refused: ${checks.find(({ passed }) => !passed)?.name}`)
  }
}

/** What Node takes for the signature alone. */
function oneSignature(): () => void {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const data = Buffer.alloc(672)
  const options = { dsaEncoding: 'ieee-p1363' } as const
  const signature = sign('sha384', data, { key: privateKey, ...options })
  return () => {
    if (!verify('sha384', data, { key: publicKey, ...options }, signature)) {
      throw new Error('a good signature is not found good')
    }
  }
}

await main()
