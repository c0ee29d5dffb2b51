import test, { describe } from 'node:test'
import { optional } from '../support/skip.js'
import { cases } from './cases.js'
import { meetClient, meetServer } from './meeting.js'
import { limitOf, type Peer } from './peer.js'
import { peers } from './peers/index.js'

/** All cases, or those alone that stand for the rest. */
const wanted = process.env.ATTESTED_TLS_INTEROP === 'all' ? cases : cases.filter(({ isCore }) => isCore)

for (const peer of peers) {
  const { name, client, server } = peer
  const skip = missing(peer)
  if (client) {
    describe(`${name} as a client meets our server`, { ...skip, concurrency: 2 }, () => {
      for (const one of wanted) if (!limitOf(client, one)) test(one.name, t => meetClient(t, client, one))
    })
  }
  if (server) {
    describe(`our client meets ${name} as a server`, { ...skip, concurrency: 2 }, () => {
      for (const one of wanted) if (!limitOf(server, one)) test(one.name, t => meetServer(t, server, one))
    })
  }
}

function missing({ needs }: Peer): { readonly skip: string | false } {
  return needs.map(need => optional(need.name, need.isPresent, need.remedy)).find(({ skip }) => skip) ?? { skip: false }
}
