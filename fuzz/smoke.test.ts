import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { readCorpus, targetsWithCorpus } from './corpus.js'
import { Fuzzer, outcomeOf } from './fuzzer.js'
import { mutate } from './mutate.js'
import { Random } from './random.js'
import { decoder } from './targets/decoder.js'
import { targets } from './targets.js'

/*
 * A little of `npm run fuzz`: what was found interesting before, and some inputs of a seed. Whatever fails here is made
 * smaller by `npm run fuzz -- --target NAME --seed 1`.
 */

const SEED = 1
/** Reports, whose own tests cut them at every byte. */
const SLOW = /^(part|platform)/

/** What comes of an input that is as it should be. */
const IS_LET_IN = /^(taken|accepted|true)|: (Error: )?(open|accepted)/

describe('what takes bytes from strangers keeps its promises', () => {
  for (const target of targets) {
    test(`${target.name}, fed with the corpus and with inputs of a seed`, async () => {
      const fuzzer = await Fuzzer.over(target, SEED, readCorpus(target.name))
      const runs = /^(evidence|platform)/.test(target.name) ? 6 : 12
      for (let i = 0; i < runs; i++) await fuzzer.step()
      assert.ok(fuzzer.corpus.size > 0)
    })
  }

  test('and lets something in: what refuses all that is good has not been looked into', async () => {
    const shut: string[] = []
    for (const target of targets) {
      const said = await Promise.all((await target.seeds()).map(seed => outcomeOf(target, seed)))
      if (!said.some(outcome => IS_LET_IN.test(outcome))) shut.push(target.name)
    }
    assert.deepEqual(shut, [])
  })

  for (const target of targets.filter(({ form, name }) => form === 'binary' && !SLOW.test(name))) {
    test(`${target.name}, cut anywhere, and with a byte more`, async () => {
      const [seed = new Uint8Array(0)] = await target.seeds()
      const step = Math.ceil(seed.length / 40)
      for (let length = 0; length < seed.length; length += step) await outcomeOf(target, seed.slice(0, length))
      for (const more of [0, 0xff]) await outcomeOf(target, Uint8Array.of(...seed, more))
    })
  }

  test('and each has a corpus, and nothing else has', () => {
    assert.deepEqual(targets.map(({ name }) => name).sort(), targetsWithCorpus())
  })
})

describe('the fuzzer', () => {
  const numbers = decoder({
    name: 'numbers',
    form: 'binary',
    seeds: () => [Uint8Array.of(0, 2, 7, 7)],
    decode(bytes) {
      if (bytes[0] === 0xff) throw new TypeError('nobody has thought of that')
      if (bytes.length > 8) throw new RangeError('nobody has thought of so many')
      return [...bytes]
    },
    describe: ({ length }) => String(length),
  })

  test('makes the same inputs of the same seed', () => {
    for (const form of ['binary', 'der', 'cbor', 'json', 'text'] as const) {
      const seeds = [
        Uint8Array.from(Buffer.from('{"a":[1,"b"]}')),
        Uint8Array.of(0x30, 3, 2, 1, 5),
        Uint8Array.of(0x82, 1, 0xa1, 1, 2),
      ]
      const series = () => {
        const random = new Random(7)
        return Array.from({ length: 200 }, () => mutate(form, random.pick(seeds), random, seeds))
      }
      assert.deepEqual(series(), series())
    }
  })

  test('finds what nobody has thought of', async () => {
    const fuzzer = await Fuzzer.over(numbers, SEED)
    await assert.rejects(
      async () => {
        for (let i = 0; i < 10_000; i++) await fuzzer.step()
      },
      ({ message }: Error) => /nobody has thought/.test(message),
    )
  })

  test('takes what is thrown undeclared for a failure, and a declared refusal for an outcome', async () => {
    await assert.rejects(async () => outcomeOf(numbers, Uint8Array.of(0xff)), /nobody has thought of that/)
    assert.match(await outcomeOf(numbers, Uint8Array.of(1)), /^taken 1/)
  })
})
