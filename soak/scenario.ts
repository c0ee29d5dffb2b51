/** Something that is done for long, or by many, and what has to hold all the while. */
export interface Scenario {
  readonly name: string
  /** What holds, in a sentence. */
  readonly invariant: string
  /** @param scale what the full sizes are multiplied by */
  run(scale: number, course: Course): Promise<readonly Finding[]>
}

/** How a run goes. */
export interface Course {
  /** Takes what is worth seeing on the way. */
  tell(progress: string): void
  /** Whether there is time for more: what can be ended early is. */
  hasTime(): boolean
}

/** One measurement, and what it had to be. */
export interface Finding {
  readonly what: string
  readonly value: string
  readonly limit: string
  readonly holds: boolean
}

/** A number that may not be larger. */
export function atMost(what: string, value: number, limit: number, unit = ''): Finding {
  return { what, value: shown(value, unit), limit: `≤ ${shown(limit, unit)}`, holds: value <= limit }
}

/** A number that has to be that one. */
export function exactly(what: string, value: number, expected: number): Finding {
  return { what, value: shown(value), limit: shown(expected), holds: value === expected }
}

/** How much was done of what was meant to be: all of it, unless the time was up. */
export function done(what: string, value: number, meant: number, { hasTime }: Course): Finding {
  if (hasTime()) return exactly(what, value, meant)
  return { what: `${what}, when the time was up`, value: shown(value), limit: `of ${shown(meant)}`, holds: true }
}

/** A number that is only told. */
export function told(what: string, value: number, unit = ''): Finding {
  return { what, value: shown(value, unit), limit: '', holds: true }
}

function shown(value: number, unit = ''): string {
  const digits = { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 }
  return `${value.toLocaleString('en', digits)}${unit === '' ? '' : ` ${unit}`}`
}

/** How many of something there are at that scale. */
export function scaled(full: number, scale: number, least = 1): number {
  return Math.max(least, Math.round(full * scale))
}
