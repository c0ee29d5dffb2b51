import type { Scenario } from './scenario.js'
import { data } from './scenarios/data.js'
import { datagrams } from './scenarios/datagrams.js'
import { floodOfDatagrams } from './scenarios/flood-of-datagrams.js'
import { floodOfHellos } from './scenarios/flood-of-hellos.js'
import { handshakes } from './scenarios/handshakes.js'
import { idle } from './scenarios/idle.js'
import { renewals } from './scenarios/renewals.js'
import { stalledDatagrams } from './scenarios/stalled-datagrams.js'
import { stalledHandshakes } from './scenarios/stalled-handshakes.js'
import { stalledPeers } from './scenarios/stalled-peers.js'

/** All there are, the short ones first. */
export const scenarios: readonly Scenario[] = [
  stalledHandshakes,
  stalledPeers,
  stalledDatagrams,
  floodOfHellos,
  floodOfDatagrams,
  idle,
  datagrams,
  renewals,
  handshakes,
  data,
]

/** @throws Error if there is none of that name */
export function scenarioNamed(name: string): Scenario {
  const found = scenarios.find(scenario => scenario.name === name)
  if (!found) throw new Error(`There is no scenario "${name}": there are ${scenarios.map(it => it.name).join(', ')}`)
  return found
}
