import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  type AppraisalInputs,
  FixedEndorsements,
  type FixedEndorsementsOptions,
  formatOf,
  MalformedEvidence,
  MissingEndorsement,
  RootsByKind,
} from '#src/evidence/index.js'
import type { Cmw } from '#src/rats/index.js'
import { Policy, type PolicyDocument } from '#src/verifier/index.js'
import { NOON, someKey } from './simulated.js'

/** The challenge and the key of the appraisals of these tests. */
export const challenge = new Uint8Array(32).fill(7)
export const longChallenge = new Uint8Array(64).fill(9)

/** What a Verifier of these tests is set up with. */
export interface Setup {
  readonly platforms: NonNullable<PolicyDocument['platforms']>
  readonly roots?: Readonly<Record<string, readonly string[]>>
  readonly endorsements?: FixedEndorsementsOptions
}

/** The inputs of an appraisal. */
export function inputsOf(setup: Setup, changes: Partial<AppraisalInputs> = {}): AppraisalInputs {
  return {
    challenge,
    key: someKey,
    roots: new RootsByKind(setup.roots ?? {}),
    endorsements: new FixedEndorsements(setup.endorsements),
    referenceValues: Policy.from({ version: 1, platforms: setup.platforms }).referenceValues({
      trustsSimulatedPlatforms: true,
    }),
    at: NOON,
    ...changes,
  }
}

/** Appraises a message by the format of its type. */
export function appraise(message: Cmw, inputs: AppraisalInputs) {
  const format = formatOf(message)
  assert.ok(format)
  return format.appraise(message, inputs)
}

/** Names of the checks that failed. */
export function failuresOf(message: Cmw, inputs: AppraisalInputs): readonly string[] {
  return appraise(message, inputs)
    .checks.filter(({ passed }) => !passed)
    .map(({ name }) => name)
}

/** A message of one record. */
export function record(type: string | number, value: Uint8Array): Cmw {
  return { kind: 'record', type, value }
}

/** Whether it is accepted. Evidence that cannot be read, or that nobody vouches for, is not; nothing else is thrown. */
function isAccepted(message: Cmw, inputs: AppraisalInputs): boolean {
  try {
    return failuresOf(message, inputs).length === 0
  } catch (error) {
    assert.ok(error instanceof MalformedEvidence || error instanceof MissingEndorsement, String(error))
    return false
  }
}

/** Accepts the Evidence as it is, and nothing that is made of it by cutting it, changing a byte, or adding one. */
export function acceptsNothingElse(type: string, value: Uint8Array, inputs: AppraisalInputs): void {
  assert.ok(isAccepted(record(type, value), inputs))
  for (let length = 1; length < value.length; length += Math.ceil(value.length / 200)) {
    assert.ok(!isAccepted(record(type, value.subarray(0, length)), inputs), `cut to ${length} bytes`)
  }
  assert.ok(!isAccepted(record(type, Uint8Array.from([...value, 0])), inputs), 'with a byte more')
  fc.assert(
    fc.property(fc.nat(value.length - 1), fc.integer({ min: 1, max: 255 }), (offset, mask) => {
      const changed = Uint8Array.from(value)
      changed[offset] = (changed[offset] ?? 0) ^ mask
      assert.ok(!isAccepted(record(type, changed), inputs), `byte ${offset} xor ${mask}`)
    }),
    { numRuns: 300 },
  )
}

/** Refuses whatever bytes come, and throws nothing unexpected about them. */
export function refusesNoise(type: string, inputs: AppraisalInputs): void {
  const bombs = [
    // Lengths beyond all bytes, nesting, a map of four thousand million entries, text that never ends.
    Uint8Array.of(0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
    new Uint8Array(5000).fill(0x81),
    new Uint8Array(5000).fill(0xd2),
    Uint8Array.of(0xba, 0xff, 0xff, 0xff, 0xff),
    Uint8Array.of(0x7f, 0x61, 0x61),
  ]
  for (const bomb of bombs) assert.ok(!isAccepted(record(type, bomb), inputs))
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), bytes => {
      assert.ok(!isAccepted(record(type, bytes), inputs))
    }),
    { numRuns: 200 },
  )
}
