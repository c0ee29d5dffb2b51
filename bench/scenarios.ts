import type { StackName } from './stacks.js'

/** What the ends of a connection do. */
export type Work =
  /** Opens and closes so many connections. */
  | { readonly kind: 'handshakes'; readonly count: number; readonly concurrency: number; readonly resumes: boolean }
  /** Writes so many bytes, so many at a time: the client, or the server when it is asked to. */
  | { readonly kind: 'bulk'; readonly bytes: number; readonly writeLength: number; readonly isFromServer: boolean }
  /** Opens so many connections, one after the other, and waits on each for the answer to one byte. */
  | { readonly kind: 'first-byte'; readonly count: number }
  /** Sends one byte so often on one connection, and waits for it to come back. */
  | { readonly kind: 'round-trip'; readonly count: number }
  /** Opens connections and leaves them be. */
  | { readonly kind: 'idle'; readonly connections: number }

/** One kind of pair of processes: a server's and a client's. */
export interface Setup {
  readonly stack: StackName
  /** Whether the client authenticates with a certificate too. */
  readonly isMutual: boolean
  /** Whether the server attests to the client. */
  readonly isAttested: boolean
  /** Whether our records are sealed by the native helper; otherwise it is refused. */
  readonly isNative: boolean
}

/** What one measurement came to. */
export interface Sample {
  /** Handshakes, bytes or connections. */
  readonly count: number
  readonly seconds: number
  /** Processor time of each process. */
  readonly clientCpuSeconds: number
  readonly serverCpuSeconds: number
  /** Memory that the server has taken, in bytes. */
  readonly bytes: number
  /** How long each took, in ms, the shortest first; of first bytes and round trips. */
  readonly times: readonly number[]
}

/** What is read off the samples of a comparison. */
export interface Measure {
  /** What of the comparison it is; empty: all of it. */
  readonly part: string
  readonly unit: string
  readonly value: (sample: Sample) => number
  /** How the two values become the number to look at. */
  readonly verdict: (subject: number, reference: number) => string
  readonly goal: string
}

/** A comparison of two kinds of pairs. */
export interface Scenario {
  readonly name: string
  readonly work: Work
  /** What is done before, and not measured: as much as it takes until everything that is hot has been compiled. */
  readonly warmUp: Work
  /** The one that is judged, and the one that it is judged by. */
  readonly subject: Setup
  readonly reference: Setup
  readonly measures: readonly Measure[]
}

/** All comparisons. @param seconds how long one measurement takes, about, on a machine that has nothing else to do */
export function scenarios(seconds: number): readonly Scenario[] {
  const ours = { stack: 'ours', isMutual: false, isAttested: false, isNative: false } as const
  const node = { ...ours, stack: 'node' } as const
  const handshakes = { kind: 'handshakes', count: Math.round(seconds * 500), concurrency: 4, resumes: false } as const
  const warmUp = { ...handshakes, count: 3000 } as const
  const shaken = (name: string, goal: string, { isMutual = false, resumes = false } = {}): Scenario => ({
    name,
    work: { ...handshakes, resumes },
    warmUp: { ...warmUp, resumes },
    subject: { ...ours, isMutual },
    reference: { ...node, isMutual },
    measures: [
      perCpuSecond(goal),
      cpuOf('client', sample => sample.clientCpuSeconds),
      cpuOf('server', sample => sample.serverCpuSeconds),
    ],
  })
  const bytes = Math.round(seconds * 200e6)
  const written = (name: string, writeLength: number, isFromServer: boolean, goal: string): Scenario => {
    const work = { kind: 'bulk', bytes: writeLength < 4096 ? bytes / 8 : bytes, writeLength, isFromServer } as const
    return { name, work, warmUp: work, subject: ours, reference: node, measures: [megabytes(goal)] }
  }
  const timed = (kind: 'first-byte' | 'round-trip', count: number): Scenario => ({
    name: kind,
    work: { kind, count: Math.round(count) },
    warmUp: { kind, count: Math.round(count) * 3 },
    subject: ours,
    reference: node,
    measures: [quantile('', 50), quantile('slowest 1 %', 99)],
  })
  const idle = (name: string, connections: number): Scenario => ({
    name,
    work: { kind: 'idle', connections },
    warmUp: { ...warmUp, count: 500 },
    subject: ours,
    reference: node,
    measures: [memory],
  })
  return [
    shaken('full', isNode20 ? '≥ 2×' : '≥ 1.4×'),
    shaken('mutual', isNode20 ? '≥ 3×' : '≥ 1.7×', { isMutual: true }),
    shaken('resumed', '≥ 1.5×', { resumes: true }),
    written('bulk-16k', 16_384, false, '≥ 0.75×'),
    written('bulk-16k-down', 16_384, true, '≥ 0.75×'),
    written('bulk-256k', 262_144, false, '≥ 0.75×'),
    written('bulk-256k-down', 262_144, true, '≥ 0.75×'),
    written('bulk-1k', 1024, false, '≥ 0.6×'),
    written('bulk-1k-down', 1024, true, '≥ 0.6×'),
    timed('first-byte', seconds * 300),
    timed('round-trip', seconds * 4000),
    idle('idle', 5000),
    idle('idle-10k', 10_000),
    {
      name: 'attested',
      work: { ...handshakes, concurrency: 1 },
      warmUp: { ...warmUp, concurrency: 1 },
      subject: { ...ours, isAttested: true },
      reference: ours,
      measures: [
        {
          part: '',
          unit: 'ms per handshake',
          value: ({ count, seconds: elapsed }) => (elapsed * 1000) / count,
          verdict: (subject, reference) => `+${(subject - reference).toFixed(2)} ms`,
          goal: '≤ +2 ms',
        },
      ],
    },
  ]
}

/** What Node's own stack costs depends on its OpenSSL: 3.0 here, 3.5 from 22 on. */
const isNode20 = process.versions.node.startsWith('20.')

function perCpuSecond(goal: string): Measure {
  return { part: '', unit: 'per CPU second', value: sample => sample.count / cpuSeconds(sample), verdict: ratio, goal }
}

function cpuOf(part: string, seconds: (sample: Sample) => number): Measure {
  const value = (sample: Sample) => (seconds(sample) * 1e6) / sample.count
  return { part, unit: 'µs of CPU each', value, verdict: ratio, goal: '' }
}

function megabytes(goal: string): Measure {
  const value = (sample: Sample) => sample.count / 1e6 / cpuSeconds(sample)
  return { part: '', unit: 'MB per CPU second', value, verdict: ratio, goal }
}

function quantile(part: string, percent: number): Measure {
  return {
    part,
    unit: `ms, ${percent} % take less`,
    value: ({ times }) => times[Math.ceil((times.length * percent) / 100) - 1] ?? Number.NaN,
    verdict: ratio,
    goal: part === '' ? '≤ 1×' : '',
  }
}

const memory: Measure = {
  part: '',
  unit: 'kB per server connection',
  value: ({ bytes, count }) => bytes / count / 1000,
  verdict: ratio,
  goal: '≤ 0.5×',
}

function cpuSeconds({ clientCpuSeconds, serverCpuSeconds }: Sample): number {
  return clientCpuSeconds + serverCpuSeconds
}

function ratio(subject: number, reference: number): string {
  return `${(subject / reference).toFixed(2)}×`
}
