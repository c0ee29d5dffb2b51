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
  /** Processor time of both processes. */
  readonly cpuSeconds: number
  /** Memory that the server has taken, in bytes. */
  readonly bytes: number
  /** How long each took, in ms, the shortest first; of first bytes and round trips. */
  readonly times: readonly number[]
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
  readonly unit: string
  readonly value: (sample: Sample) => number
  /** How the two values become the number to look at. */
  readonly verdict: (subject: number, reference: number) => string
  readonly goal: string
}

/** All comparisons. @param seconds how long one measurement takes, about, on a machine that has nothing else to do */
export function scenarios(seconds: number): readonly Scenario[] {
  const ours = { stack: 'ours', isMutual: false, isAttested: false, isNative: false } as const
  const node = { ...ours, stack: 'node' } as const
  const handshakes = { kind: 'handshakes', count: Math.round(seconds * 500), concurrency: 4, resumes: false } as const
  const warmUp = { ...handshakes, count: 3000 } as const
  const perCpu = {
    unit: 'per CPU second',
    value: ({ count, cpuSeconds }: Sample) => count / cpuSeconds,
    verdict: ratio,
  }
  const megabytes = {
    unit: 'MB per CPU second',
    value: ({ count, cpuSeconds }: Sample) => count / 1e6 / cpuSeconds,
    verdict: ratio,
  }
  const bulk = { kind: 'bulk', bytes: Math.round(seconds * 200e6) } as const
  const written = (writeLength: number, isFromServer = false, bytes = bulk.bytes) => {
    const work = { ...bulk, bytes, writeLength, isFromServer }
    return { work, warmUp: work, subject: ours, reference: node, ...megabytes }
  }
  const timed = (kind: 'first-byte' | 'round-trip', count: number, percent: number) => ({
    work: { kind, count },
    warmUp: { kind, count: count * 3 },
    subject: ours,
    reference: node,
    unit: `ms, ${percent} % take less`,
    value: ({ times }: Sample) => times[Math.ceil((times.length * percent) / 100) - 1] ?? Number.NaN,
    verdict: ratio,
    goal: '≤ 1×',
  })
  const idle = (connections: number) => ({
    work: { kind: 'idle', connections } as const,
    warmUp: { ...warmUp, count: 500 },
    subject: ours,
    reference: node,
    unit: 'kB per server connection',
    value: ({ bytes, count }: Sample) => bytes / count / 1000,
    verdict: ratio,
    goal: 'less',
  })
  return [
    { name: 'full', work: handshakes, warmUp, subject: ours, reference: node, ...perCpu, goal: '≥ 1.2×' },
    {
      name: 'mutual',
      work: handshakes,
      warmUp,
      subject: { ...ours, isMutual: true },
      reference: { ...node, isMutual: true },
      ...perCpu,
      goal: '≥ 1.2×',
    },
    {
      name: 'resumed',
      work: { ...handshakes, resumes: true },
      warmUp: { ...warmUp, resumes: true },
      subject: ours,
      reference: node,
      ...perCpu,
      goal: '≥ 1.2×',
    },
    {
      name: 'bulk-16k',
      ...written(16_384),
      goal: '≥ 0.75×',
    },
    { name: 'bulk-16k-down', ...written(16_384, true), goal: '≥ 0.75×' },
    { name: 'bulk-256k', ...written(262_144), goal: '≥ 0.75×' },
    { name: 'bulk-256k-down', ...written(262_144, true), goal: '≥ 0.75×' },
    { name: 'bulk-1k', ...written(1024, false, bulk.bytes / 8), goal: '≥ 0.6×' },
    { name: 'first-byte', ...timed('first-byte', Math.round(seconds * 300), 50) },
    { name: 'first-byte-99', ...timed('first-byte', Math.round(seconds * 300), 99) },
    { name: 'round-trip', ...timed('round-trip', Math.round(seconds * 4000), 50) },
    { name: 'round-trip-99', ...timed('round-trip', Math.round(seconds * 4000), 99) },
    { name: 'idle', ...idle(5000) },
    { name: 'idle-10k', ...idle(10_000) },
    {
      name: 'attested',
      work: { ...handshakes, concurrency: 1 },
      warmUp: { ...warmUp, concurrency: 1 },
      subject: { ...ours, isAttested: true },
      reference: ours,
      unit: 'ms per handshake',
      value: ({ count, seconds: elapsed }) => (elapsed * 1000) / count,
      verdict: (subject, reference) => `+${(subject - reference).toFixed(2)} ms`,
      goal: '≤ +2 ms',
    },
  ]
}

function ratio(subject: number, reference: number): string {
  return `${(subject / reference).toFixed(2)}×`
}
