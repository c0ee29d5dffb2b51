import assert from 'node:assert/strict'
import { utf8 } from '#src/bytes/index.js'
import type { Cmw } from '#src/rats/index.js'
import type { EndOptions, Pair, Side } from '../../attestation/support.js'
import { other, refused, works } from '../outcome.js'
import type { Due, Row } from '../row.js'
import type { Source, Stage } from '../stage.js'
import { collecting, feed, fetchFrom, leakedEntropy, type OverheardRequest, overhearing, watching } from '../tools.js'

/*
 * Relay and replay: the Evidence is genuine, and about another machine, or about another time, than the end of this
 * connection. The attacker has the key of the honest server wherever that would help.
 */

/** Over a stream the echo of the session id is wrong already; over datagrams nothing can be opened. */
const UNREADABLE: Due = {
  tls: refused('ERR_TLS_ILLEGAL_PARAMETER', 'illegal_parameter'),
  dtls: { is: 'lost', by: 'client' },
}
const REFUSED = refused('ERR_ATTESTATION_REFUSED', 'access_denied')

/** The impostor's server, with what its peer asks after the handshake written down. */
function overhearingImpostor(stage: Stage, source: Source, requests: OverheardRequest[]): EndOptions {
  return stage.impostor(source, stage.isHardened ? { alterPlug: overhearing(requests) } : {})
}

/** The key is stolen, the nonce copied, the Evidence fetched from the honest server and passed on. */
async function relay(stage: Stage): Promise<Pair> {
  const nonces: Uint8Array[] = []
  const requests: OverheardRequest[] = []
  const server = overhearingImpostor(
    stage,
    async (_request, index) => {
      // The request after the handshake is copied whole: the same number, randomness and nonce of the Verifier.
      const said = requests[0]
      const wanted = [...nonces, ...(said ? [said.nonce] : [])]
      return given((await fetchFrom(stage, stage.server(), wanted, said?.random))[index])
    },
    requests,
  )
  return stage.connect(stage.client(watching(stage, nonces)), server)
}

/** Both ends talk through the attacker: it passes on what the server proves, and then what they say to each other. */
async function proxied(stage: Stage): Promise<Pair> {
  const nonces: Uint8Array[] = []
  const requests: OverheardRequest[] = []
  let behind: Pair | undefined
  const server = overhearingImpostor(
    stage,
    async (_request, index) => {
      const said = requests[0]
      const { end, collected } = collecting(stage, [...nonces, ...(said ? [said.nonce] : [])], said?.random)
      behind = await stage.connect(end, stage.server())
      return given(collected[index])
    },
    requests,
  )
  const front = await stage.connect(stage.client(watching(stage, nonces)), server)
  if (front.client.error) return front
  assert.ok(behind)
  await passOn(stage, front, 'client', behind, 'a question')
  await passOn(stage, behind, 'server', front, 'an answer')
  return front
}

/** What one end says to the attacker, the attacker says to the other. */
async function passOn(stage: Stage, from: Pair, side: Side, to: Pair, words: string): Promise<void> {
  const attacker = other(side)
  const before = from[attacker].data
  from[side].connection.write(utf8(words))
  await stage.settle(from)
  const heard = from[attacker].data.slice(before.length)
  assert.equal(heard, words, 'the attacker reads it')
  to[side].connection.write(utf8(heard))
  await stage.settle(to)
  assert.ok(to[attacker].data.endsWith(words), 'and it arrives')
}

/** The honest server begins the handshake and attests; the attacker, which knows its secrets, goes on. */
async function swapped(stage: Stage): Promise<Pair> {
  const leaked = leakedEntropy()
  const inner = stage.honestSource()
  const requests: OverheardRequest[] = []
  let kept: Cmw | undefined
  const pieces: Uint8Array[] = []
  const honest = stage.impostor(
    async (request, index) => {
      kept = await inner(request, index)
      return kept
    },
    { server: { entropy: leaked() } },
  )
  const attacker = stage.impostor(
    async (_request, index) => {
      if (index > 0) {
        // Over the finished handshake there is only what the honest server says on a connection of the attacker's own,
        // though it be asked with the same bytes.
        const [said] = requests
        const nonces = said ? [new Uint8Array(32).fill(1), said.nonce] : []
        return given((await fetchFrom(stage, stage.server(), nonces, said?.random))[1])
      }
      await feed(honest, pieces)
      return given(kept)
    },
    { server: { entropy: leaked() }, ...(stage.isHardened && { alterPlug: overhearing(requests) }) },
  )
  const client = stage.client(
    {},
    {
      tamper(bytes) {
        if (!kept) pieces.push(Uint8Array.from(bytes))
        return bytes
      },
    },
  )
  return stage.connect(client, attacker)
}

function given(message: Cmw | undefined): Cmw {
  assert.ok(message, 'the honest server did attest')
  return message
}

export const relays: readonly Row[] = [
  {
    row: 1,
    attack: 'the key is stolen, the nonce copied, the Evidence relayed',
    notTried: { PP: 'there is no nonce to copy: row 3' },
    variants: [{ due: { AO: works(1), CA: REFUSED, H1: REFUSED }, attack: relay }],
  },
  {
    row: 2,
    attack: 'the same, with all that is said passed on both ways',
    variants: [{ due: { AO: works(1), CA: REFUSED, PP: works(1), H1: REFUSED }, attack: proxied }],
  },
  {
    row: 4,
    attack: 'key and ephemeral secret are stolen, the certificate flight is swapped, the Evidence kept',
    variants: [
      {
        due: { AO: works(1), CA: works(2), PP: works(1), H1: REFUSED },
        async attack(stage) {
          const pair = await swapped(stage)
          if (stage.isHardened) assert.ok(pair.client.connection.established, 'the Evidence of the handshake is right')
          return pair
        },
      },
    ],
  },
  {
    row: 9,
    attack: 'what proved an earlier connection is replayed',
    variants: [
      {
        due: { AO: REFUSED, CA: REFUSED, PP: works(1), H1: REFUSED },
        async attack(stage) {
          const earlier = await fetchFrom(stage, stage.server())
          return stage.connect(
            stage.client(),
            stage.impostor((_request, index) => given(earlier[index])),
          )
        },
      },
      {
        name: 'after the handshake, where that in it was fresh',
        due: { H1: REFUSED },
        async attack(stage) {
          const earlier = await fetchFrom(stage, stage.server())
          const fresh = stage.honestSource()
          const source: Source = (request, index) => (index === 0 ? fresh(request, index) : given(earlier[1]))
          const pair = await stage.connect(stage.client(), stage.impostor(source))
          assert.ok(pair.client.connection.established)
          return pair
        },
      },
    ],
  },
  {
    row: 10,
    attack: 'the whole flight of a server is replayed',
    variants: [
      {
        due: {
          AO: UNREADABLE,
          CA: UNREADABLE,
          PP: UNREADABLE,
          H1: UNREADABLE,
        },
        async attack(stage) {
          const recorded: Uint8Array[] = []
          const record = (bytes: Uint8Array) => {
            recorded.push(Uint8Array.from(bytes))
            return bytes
          }
          await stage.connect(stage.client(), stage.server({}, { tamper: record }))
          let count = 0
          const replay = () => recorded[count++ % recorded.length] ?? new Uint8Array()
          return stage.connect(stage.client(), stage.server({}, { tamper: replay }))
        },
      },
    ],
  },
  {
    row: 11,
    attack: 'stale Evidence under a signature that is fresh',
    notTried: { AO: 'the challenge is the nonce alone: row 9', PP: 'results are of no connection: row 9' },
    variants: [
      {
        name: 'of another connection, with the nonce of this one',
        due: { CA: REFUSED, H1: REFUSED },
        async attack(stage) {
          const nonces: Uint8Array[] = []
          const source: Source = async (_request, index) =>
            given((await fetchFrom(stage, stage.server(), nonces))[index])
          return stage.connect(stage.client(watching(stage, nonces)), stage.impostor(source))
        },
      },
      {
        name: 'of the handshake, after it',
        due: { H1: REFUSED },
        async attack(stage) {
          const fresh = stage.honestSource()
          let first: Cmw | undefined
          const source: Source = async (request, index) => {
            first ??= await fresh(request, index)
            return first
          }
          const pair = await stage.connect(stage.client(), stage.impostor(source))
          assert.ok(pair.client.connection.established)
          return pair
        },
      },
    ],
  },
]
