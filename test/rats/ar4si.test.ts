import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isBetterThan, type Tier, tierOf, tierOfVector, trustworthinessClaims, worstTier } from '#src/rats/index.js'

const TIERS: readonly Tier[] = ['none', 'affirming', 'warning', 'contraindicated']

describe('AR4SI', () => {
  test('has a tier for every value of a claim', () => {
    const expected = (value: number): Tier => {
      if (value >= -1 && value <= 1) return 'none'
      if ((value >= 2 && value <= 31) || (value >= -32 && value <= -2)) return 'affirming'
      if ((value >= 32 && value <= 95) || (value >= -96 && value <= -33)) return 'warning'
      return 'contraindicated'
    }
    for (let value = -128; value <= 127; value++) assert.equal(tierOf(value), expected(value), String(value))
  })

  test('sums a vector up as its worst claim', () => {
    assert.equal(tierOfVector({}), 'none')
    assert.equal(tierOfVector({ hardware: 0, configuration: 1 }), 'none')
    assert.equal(tierOfVector({ hardware: 2, configuration: 0 }), 'affirming')
    assert.equal(tierOfVector({ hardware: 2, configuration: 32 }), 'warning')
    for (const claim of trustworthinessClaims) {
      assert.equal(tierOfVector({ hardware: 2, executables: 33, [claim]: 99 }), 'contraindicated')
    }
  })

  test('lets the worse of two tiers stand', () => {
    for (const [i, a] of TIERS.entries()) {
      for (const [j, b] of TIERS.entries()) assert.equal(worstTier(a, b), i > j ? a : b)
    }
  })

  test('knows which statuses say more good than their parts', () => {
    const better: string[] = []
    for (const status of TIERS) {
      for (const parts of TIERS) if (isBetterThan(status, parts)) better.push(`${status} > ${parts}`)
    }
    assert.deepEqual(better, [
      'affirming > none',
      'affirming > warning',
      'affirming > contraindicated',
      'warning > contraindicated',
    ])
  })
})
