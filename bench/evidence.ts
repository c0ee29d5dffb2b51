import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { parseArgs } from 'node:util'
import { speaksForKey } from 'attested-tls/evidence'
import { endorsementsFor, type SimulatedKind, simulatedKinds, verifierFor } from '../test/support/every-platform.js'
import { compareDcap } from './dcap.js'
import { median, spread } from './statistics.js'

/*
 * Appraisals by the embedded Verifier in a second of one core's time, session included, in turn with what the signatures of
 * each cost alone: that is the floor. Every piece of Evidence has a challenge and, where it speaks for one, a TLS key of
 * its own; the platform and its collateral are known after the first.
 */

const USAGE = `npm run bench -- evidence [--rounds N] [--seconds S] [--json] [name …]

  --rounds N    measurements of each side (5)
  --seconds S   how long each takes (1)
  --json        one line of JSON per row
  names         ROWS dcap; all unless said`

/** A kind of Evidence, what is asked of us, and the signatures that have to be checked for each piece. */
interface Row {
  readonly name: string
  readonly kind: string
  /** Which of the types that the platform makes. */
  readonly type: number
  readonly floor: readonly Signature[]
  /** Appraisals per CPU second; null where nobody asks for any. */
  readonly goal: number | null
}

type Signature = 'P-256' | 'P-384' | 'RSA-2048'

const rows: readonly Row[] = [
  { name: 'kat', kind: 'simulated', type: 0, floor: ['P-256', 'P-256'], goal: 3000 },
  { name: 'eat', kind: 'simulated', type: 1, floor: ['P-256'], goal: 3000 },
  { name: 'psa', kind: 'psa', type: 1, floor: ['P-256'], goal: 3000 },
  { name: 'psa-kat', kind: 'psa', type: 0, floor: ['P-256', 'P-256'], goal: 3000 },
  { name: 'snp', kind: 'sev-snp', type: 0, floor: ['P-384'], goal: 500 },
  { name: 'tdx', kind: 'tdx', type: 0, floor: ['P-256'], goal: null },
  { name: 'sgx', kind: 'sgx', type: 0, floor: ['P-256'], goal: null },
  { name: 'nitro', kind: 'aws-nitro', type: 0, floor: ['P-384'], goal: null },
  { name: 'cca', kind: 'cca', type: 0, floor: ['P-384', 'P-256'], goal: null },
  { name: 'tpm', kind: 'tpm', type: 0, floor: ['P-256', 'P-256'], goal: null },
  { name: 'az-snp', kind: 'az-snp-vtpm', type: 0, floor: ['RSA-2048', 'P-384'], goal: null },
  { name: 'android', kind: 'android-key', type: 0, floor: ['P-256'], goal: null },
]

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const names = [...rows.map(({ name }) => name), 'dcap']
  const unknown = positionals.find(name => !names.includes(name))
  if (values.help || unknown !== undefined) {
    const usage = USAGE.replace('ROWS dcap', names.join(' '))
    console.log(unknown === undefined ? usage : `There is no row "${unknown}".\n\n${usage}`)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const isWanted = (name: string) => positionals.length === 0 || positionals.includes(name)
  const how = { rounds: Number(values.rounds), seconds: Number(values.seconds), json: values.json }
  for (const row of rows.filter(({ name }) => isWanted(name))) await measure(row, how)
  if (isWanted('dcap')) compareDcap(how)
}

async function measure(row: Row, { rounds, seconds, json }: { rounds: number; seconds: number; json: boolean }) {
  const kind = simulatedKinds[row.kind]
  if (!kind) throw new Error(`there is no simulated platform ${row.kind}`)
  const sides = { ours: await ours(kind, row.type), floor: signatures(row.floor) }
  const rates: Record<keyof typeof sides, number[]> = { ours: [], floor: [] }
  // The first round warms up and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const name of ['ours', 'floor'] as const) {
      const rate = await rateOf(sides[name], seconds)
      if (round > 0) rates[name].push(rate)
    }
  }
  if (json) {
    console.log(JSON.stringify({ name: row.name, unit: 'appraisals per CPU second', ...rates }))
    return
  }
  const text = (side: readonly number[]) => `${median(side).toFixed(0)}/s ±${(spread(side) * 100).toFixed(0)} %`
  const part = ((100 * median(rates.ours)) / median(rates.floor)).toFixed(0)
  const goal = row.goal === null ? '' : `, goal ≥ ${row.goal}/s`
  console.log(
    `${row.name.padEnd(8)} ${text(rates.ours).padStart(13)}${goal}; ${row.floor.join(' and ')} alone ${text(rates.floor)} (${part} %)`,
  )
}

async function rateOf(work: (i: number) => unknown, seconds: number): Promise<number> {
  // CPU time, not time: what else runs on the machine has no part in it.
  const start = process.cpuUsage()
  const end = performance.now() + seconds * 1000
  let count = 0
  while (performance.now() < end) await work(count++ % PIECES)
  const { user, system } = process.cpuUsage(start)
  return (count * 1e6) / (user + system)
}

const PIECES = 500

async function ours(kind: SimulatedKind, index: number): Promise<(i: number) => Promise<void>> {
  const { signal } = new AbortController()
  const { attester } = kind
  const type = attester.evidenceTypes[index] ?? ''
  const verifier = verifierFor(kind, { endorsements: endorsementsFor(kind) })
  const submissions = await Promise.all(
    Array.from({ length: PIECES }, async (_, i) => {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }))
      const key = { spki, id: new Uint8Array(createHash('sha256').update(spki).digest()) }
      const whole = new Uint8Array(createHash('sha512').update(String(i)).digest())
      const challenge = whole.slice(0, attester.challengeLength(type) ?? 32)
      const message = await attester.evidence({ type, challenge, key, signal })
      return { message, challenge, key: speaksForKey(type) ? key : null, signal }
    }),
  )
  return async i => {
    const submission = submissions[i]
    if (!submission) throw new Error('there is no such piece of Evidence')
    const session = await verifier.newSession({ signal })
    const { isAccepted, problem, checks } = await session.appraise(submission)
    const failure = problem ?? checks.find(({ passed }) => !passed)?.name
    if (!isAccepted) throw new Error(`the Evidence is refused: ${failure}`)
  }
}

/** What Node takes for the signatures alone. */
function signatures(which: readonly Signature[]): () => void {
  const checks = which.map(signature => {
    const { publicKey, privateKey } =
      signature === 'RSA-2048'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: signature })
    const hash = signature === 'P-384' ? 'sha384' : 'sha256'
    const data = Buffer.alloc(600)
    const made = sign(hash, data, privateKey)
    return () => verify(hash, data, publicKey, made)
  })
  return () => {
    for (const check of checks) if (!check()) throw new Error('a good signature is not found good')
  }
}

await main()
