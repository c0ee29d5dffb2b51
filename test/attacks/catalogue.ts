import type { Row } from './row.js'
import { appraisals } from './rows/appraisal.js'
import { diversions } from './rows/diversion.js'
import { withExported } from './rows/exported.js'
import { handshakes } from './rows/handshake.js'
import { negotiations } from './rows/negotiation.js'
import { relays } from './rows/relay.js'
import { renewals } from './rows/renewals.js'
import { resources } from './rows/resources.js'
import { sessions } from './rows/session.js'

/** Every attack, in order. */
export const catalogue: readonly Row[] = [
  ...relays,
  ...diversions,
  ...appraisals,
  ...negotiations,
  ...sessions,
  ...handshakes,
  ...renewals,
  ...resources,
]
  .sort((a, b) => a.row - b.row)
  .map(withExported)
