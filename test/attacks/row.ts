import type { Transport } from '../attestation/engine.js'
import type { Pair } from '../attestation/support.js'
import { assertControl, type Outcome, outcomeOf } from './outcome.js'
import { PROFILES, type ProfileName, Stage } from './stage.js'

/** An attack of the catalogue, in all its variants. Its number is that of the analysis that the profile rests on. */
export interface Row {
  readonly row: number
  readonly attack: string
  readonly variants: readonly Variant[]
  /** Why it is not tried under a profile, or over a transport. */
  readonly notTried?: Partial<Record<ProfileName | Transport, string>>
}

export interface Variant {
  /** What is special about it; needed where there is more than one. */
  readonly name?: string
  /** What has to come of it, where it makes sense. */
  readonly due: Partial<Record<ProfileName, Due>>
  /** Where it is played, if not over both. */
  readonly over?: Transport
  /** The honest connection beside it, if it is another than a client that demands and a server that attests. */
  readonly control?: (stage: Stage) => Promise<unknown>
  /** Plays it. A pair counts as an attack of its server on its client. */
  readonly attack: (stage: Stage) => Promise<Outcome | Pair>
}

/** The same over both transports, or one for each. */
export type Due = Outcome | Readonly<Record<Transport, Outcome>>

/** A variant under a profile, over a transport. */
export interface Attempt {
  readonly row: Row
  readonly variant: Variant
  readonly profile: ProfileName
  readonly transport: Transport
  readonly due: Outcome
}

/** All that there is to try. */
export function attemptsOf(rows: readonly Row[], transports: readonly Transport[]): readonly Attempt[] {
  return rows.flatMap(row =>
    row.variants.flatMap(variant =>
      PROFILES.flatMap(profile =>
        transports.flatMap(transport => {
          const due = variant.due[profile]
          if (!due || (variant.over ?? transport) !== transport) return []
          return [{ row, variant, profile, transport, due: 'is' in due ? due : due[transport] }]
        }),
      ),
    ),
  )
}

export function nameOf({ row, variant, profile, transport }: Attempt): string {
  return `row ${row.row}, ${profile} over ${transport}: ${row.attack}${variant.name ? `: ${variant.name}` : ''}`
}

/** Plays an attack, and the honest connection before it.
 *  @throws Error if the honest one fails, or what comes of the attack makes no sense */
export async function play({ variant, profile, transport }: Attempt): Promise<Outcome> {
  const stage = new Stage(profile, transport)
  await (variant.control ?? plainControl)(stage)
  const seen = await inTime(variant.attack(stage))
  return 'is' in seen ? seen : outcomeOf(seen)
}

const controls = new Map<string, Promise<unknown>>()
/** The plainest honest connection of a stage, which need not be made more than once. */
function plainControl(stage: Stage): Promise<unknown> {
  const id = `${stage.profile} ${stage.transport}`
  const control = controls.get(id) ?? honest(stage)
  controls.set(id, control)
  return control
}

async function honest(stage: Stage): Promise<void> {
  assertControl(await stage.connect(stage.client(), stage.server()), stage.level)
}

/** Nothing here waits for a clock, so what takes long waits for what never comes. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the attack never comes to an end')), LIMIT)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
/** ms */
const LIMIT = 60_000
