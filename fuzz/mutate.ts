import { joined, mutateBinary } from './mutate/binary.js'
import { mutateCbor } from './mutate/cbor.js'
import { mutateDer } from './mutate/der.js'
import { mutateJson } from './mutate/json.js'
import type { Random } from './random.js'
import type { Form } from './target.js'

/** Makes something of an input that is almost of its form.
 *  @param others more of the kind, to take parts of */
export function mutate(form: Form, input: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  let output = input
  // Mostly one change, which leaves the rest intact, so that it is come to.
  for (let times = random.pick([1, 1, 1, 2, 2, 4]); times > 0; times--) {
    output = random.chance(0.15) ? mutateBinary(output, random, others) : MUTATORS[form](output, random, others)
  }
  return output.length > MAX_LENGTH ? joined(output.subarray(0, MAX_LENGTH)) : output
}

const MUTATORS = { binary: mutateBinary, text: mutateBinary, der: mutateDer, cbor: mutateCbor, json: mutateJson }

/** Bytes: more brings nothing but time. */
const MAX_LENGTH = 65_536
