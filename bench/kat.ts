import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { parseArgs } from 'node:util'
import { createVerifier } from 'attested-tls'
import { measured, SimulatedAttester, SimulatedRoot } from 'attested-tls/attester'
import { median, spread } from './statistics.js'

/*
 * Appraisals of key attestation bundles by the embedded Verifier, session and report included, in turn with what their
 * two P-256 signatures cost. No bundle, challenge or TLS key comes twice within what the Verifier remembers; of the
 * machines there are eight.
 */

const USAGE = `node build/bench/kat.js [--rounds N] [--seconds S] [--json]

  --rounds N    measurements of each side (5)
  --seconds S   how long each takes (1)`

const BUNDLES = 2000
const MACHINES = 8

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
  const sides = { ours: await ours(), floor: twoSignatures() }
  const rates: Record<keyof typeof sides, number[]> = { ours: [], floor: [] }
  // The first round warms up and does not count.
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const name of ['ours', 'floor'] as const) {
      const rate = await rateOf(sides[name], Number(values.seconds))
      if (round > 0) rates[name].push(rate)
    }
  }
  if (values.json) {
    console.log(JSON.stringify({ name: 'kat', unit: 'appraisals/s', ...rates }))
    return
  }
  const text = (side: readonly number[]) => `${median(side).toFixed(0)}/s ±${(spread(side) * 100).toFixed(0)} %`
  const part = ((100 * median(rates.ours)) / median(rates.floor)).toFixed(0)
  console.log(`key attestation bundle: ${text(rates.ours)}; two P-256 signatures: ${text(rates.floor)} (${part} %)`)
}

async function rateOf(work: (i: number) => unknown, seconds: number): Promise<number> {
  const start = performance.now()
  const end = start + seconds * 1000
  let count = 0
  while (performance.now() < end) await work(count++ % BUNDLES)
  return (count * 1000) / (performance.now() - start)
}

async function ours(): Promise<(i: number) => Promise<void>> {
  const root = SimulatedRoot.create({ now: Date.now() })
  const workload = measured('workload', Buffer.from('benchmark'))
  const verifier = createVerifier({
    policy: {
      version: 1,
      platforms: [
        {
          kind: 'simulated',
          measurements: [{ values: { workload: Buffer.from(workload.measurement).toString('hex') } }],
        },
      ],
    },
    roots: { simulated: [root.pem] },
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => {},
  })
  const { signal } = new AbortController()
  const attesters = Array.from(
    { length: MACHINES },
    (_, i) => new SimulatedAttester({ platform: root.issue(`machine ${i}`), components: [workload] }),
  )
  const submissions = await Promise.all(
    Array.from({ length: BUNDLES }, async (_, i) => {
      const spki = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' })
      const key = { spki, id: createHash('sha256').update(spki).digest() }
      const challenge = createHash('sha256').update(String(i)).digest()
      const attester = attesters[i % MACHINES]
      if (!attester) throw new Error('there is no such machine')
      const [type = ''] = attester.evidenceTypes
      return { message: await attester.evidence({ type, challenge, key, signal }), challenge, key, signal }
    }),
  )
  return async i => {
    const submission = submissions[i]
    if (!submission) throw new Error('there is no such bundle')
    const session = await verifier.newSession({ signal })
    const { isAccepted, checks } = await session.appraise(submission)
    if (!isAccepted) throw new Error(`the bundle is refused: ${checks.find(({ passed }) => !passed)?.name}`)
  }
}

/** What Node takes for the signatures alone. */
function twoSignatures(): () => void {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const data = Buffer.alloc(400)
  const options = { dsaEncoding: 'ieee-p1363' } as const
  const signature = sign('sha256', data, { key: privateKey, ...options })
  return () => {
    for (let n = 0; n < 2; n++) {
      if (!verify('sha256', data, { key: publicKey, ...options }, signature)) {
        throw new Error('a good signature is not found good')
      }
    }
  }
}

await main()
