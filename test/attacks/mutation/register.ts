import { register } from 'node:module'
import { env } from 'node:process'
import { mutants, urlOf } from './mutants.js'

/* Loaded before everything else (node --import): has the mutant of that number in place of what was compiled. */

const mutant = mutants[Number(env.ATTACKS_MUTANT)]
if (!mutant) throw new Error('ATTACKS_MUTANT has to be the number of a mutant')
const { from, to } = mutant
register('./hooks.js', import.meta.url, { data: { from, to, url: urlOf(mutant).href } })
