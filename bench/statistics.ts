/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN
  const high = sorted[Math.floor(middle)] ?? Number.NaN
  return (low + high) / 2
}

/** By how much values scatter: half the distance between the quartiles, as a fraction of the median. */
export function spread(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const quartile = (part: number) => sorted[Math.round((sorted.length - 1) * part)] ?? Number.NaN
  return (quartile(0.75) - quartile(0.25)) / 2 / median(values)
}
