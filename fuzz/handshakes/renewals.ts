import { isDeepStrictEqual } from 'node:util'
import { ControlKind, ControlMessage } from '#src/attestation/hardened/control-message.js'
import { AttestationError } from '#src/attestation/index.js'
import { concat, DecodeError, decode, encode } from '#src/bytes/index.js'
import {
  AlertReceived,
  alertFor,
  type ControlSession,
  HandshakeType,
  type Message,
  ProtocolError,
} from '#src/handshake/index.js'
import type { AttestationResult, Attester } from '#src/rats/index.js'
import { alterSession, hardenedEnd } from '../../test/attestation/hardened/support.js'
import { connect, type End, type Pair, settle } from '../../test/attestation/support.js'
import { credentialFor, type Side } from '../../test/support/pair.js'
import { attesterOf, NOON } from '../../test/support/simulated.js'
import { mutateBinary } from '../mutate/binary.js'
import type { Random } from '../random.js'
import { checkSentence, gist, type Target, Violation } from '../target.js'
import { decodeCase, type HandshakeCase, overCases, randomOf } from './case.js'
import { deviatingAuthenticator, messagesIn } from './deviating-authenticator.js'
import { edits } from './edits.js'
import { checkTrace } from './pairs.js'

/*
 * What the profile hardened says after the handshake: the first attestation, a renewal, and another one. One side deviates: of
 * what it sends as `atls_control`, counted from 0, some is changed before it is sealed. Pairs are named by their transport, by
 * who attests, and by whether the Evidence is for many.
 */

const NAMES = ['tls', 'dtls'].flatMap(transport =>
  ['server', 'client', 'both', 'both batched'].map(attesting => `${transport} ${attesting}`),
)
const INTERNAL_ERROR = 80
const ROUND = 20_000
const SIDES: readonly Side[] = ['client', 'server']

/** Renewals of which one message or more is another. */
export const renewals: Target = {
  name: 'renewal',
  weight: 20,
  ...overCases(NAMES, () => Object.keys(changes)),
  async run(input) {
    const value = decodeCase(input, NAMES)
    if (!value) return 'no case'
    const { pair, evidence } = await renewed(value, await recorded(value.pair))
    const victim = value.from === 'client' ? pair.server : pair.client
    const isHonest = value.edits.length === 0
    for (const end of SIDES.map(side => pair[side])) checkEnd(end, isHonest)
    checkVerdict(victim, evidence())
    if (pair.client.connection.state !== pair.server.connection.state) {
      throw new Violation(`one is ${pair.client.connection.state}, the other ${pair.server.connection.state}`)
    }
    return `${value.pair} ${value.from}: ${victim.error ? gist(victim.error) : victim.connection.state}`
  },
}

/** A message of the profile that is about to be sent, and what there is to change it with. */
interface Context {
  readonly random: Random
  readonly donors: readonly ControlMessage[]
  readonly session: ControlSession
  /** The last request that this side was sent, header included. */
  readonly request: Uint8Array | undefined
}

type Change = (message: ControlMessage, context: Context) => readonly (ControlMessage | Uint8Array)[]

/** Changes of the messages inside: of the request, or of the authenticator, which is sealed again. */
const inside = Object.fromEntries(Object.keys(edits).map(name => [`inside ${name}`, changedInside(name)]))

const changes: Readonly<Record<string, Change>> = {
  bytes: (message, { random }) => [mutateBinary(encode(ControlMessage, message), random, [message.body])],
  body: (message, { random, donors }) => [
    { ...message, body: mutateBinary(message.body, random, [random.pick([message, ...donors]).body]) },
  ],
  empty: message => [{ ...message, body: new Uint8Array(0) }],
  kind: (message, { random }) => [{ ...message, kind: random.pick([0, 1, 2, 3, 4, 5, 255]) }],
  seq: (message, { random }) => [
    { ...message, seq: random.pick([0, 1, 2, message.seq + 1, Math.max(0, message.seq - 1), 2 ** 32 - 1]) },
  ],
  drop: () => [],
  twice: message => [message, message],
  flood: (message, { random, donors }) => Array.from({ length: 12 }, () => random.pick([message, ...donors])),
  before: (message, { random, donors }) => [random.pick(donors), message],
  after: (message, { random, donors }) => [message, random.pick(donors)],
  instead: (_, { random, donors }) => [random.pick(donors)],
  /** What another connection said in its place. */
  foreign: ({ kind, seq, body }, { random, donors }) => {
    const same = donors.filter(one => one.kind === kind)
    return [{ kind, seq, body: same.length > 0 ? random.pick(same).body : body }]
  },
  ...inside,
}

function changedInside(name: string): Change {
  return (message, { random, donors, session, request }) => {
    const messages = [message, ...donors].flatMap(messagesOf)
    const edited = (inner: Message) => {
      const instead = edits[name]?.(inner, { random, donors: messages, seal: undefined }) ?? [inner.raw]
      return concat(...instead.map(item => ('raw' in item ? item.raw : item)))
    }
    const [first] = messagesOf(message)
    if (!first) return [message]
    if (first.type !== HandshakeType.certificate || !request) return [{ ...message, body: edited(first) }]
    const which = random.pick([0, 0, 0, 1, 2])
    const maker = { side: session.side, established: session.established, key: keyOf(session.side), request }
    const change = (inner: Message, index: number) => (index === which ? edited(inner) : inner.raw)
    return [{ ...message, body: deviatingAuthenticator(maker, first, change) }]
  }
}

/** The handshake messages in a message of the profile. */
function messagesOf({ kind, body }: ControlMessage): readonly Message[] {
  return kind === ControlKind.request || kind === ControlKind.authenticator ? messagesIn(body) : []
}

function keyOf(side: Side) {
  return credentialFor(side === 'client' ? 'client.test' : 'localhost').key
}

interface Renewed {
  readonly pair: Pair
  /** How much Evidence the side that deviates has had made. */
  evidence(): number
  readonly said: readonly ControlMessage[]
}

/** A connection with its attestations, as a case has it. */
async function renewed(value: HandshakeCase, donors: readonly ControlMessage[]): Promise<Renewed> {
  const [transport = '', who = '', isBatched] = value.pair.split(' ')
  const clock = { now: NOON }
  const said: ControlMessage[] = []
  const requests: Partial<Record<Side, Uint8Array>> = {}
  const attesters = { client: counting(), server: counting() }
  let count = 0
  const changed = (side: Side, session: ControlSession, body: Uint8Array): readonly Uint8Array[] => {
    const message = decode(ControlMessage, body)
    said.push(message)
    if (message.kind === ControlKind.request) requests[side === 'client' ? 'server' : 'client'] = message.body
    if (side !== value.from) return [body]
    const edit = value.edits.find(({ at }) => at === count)
    count++
    const change = edit && changes[edit.change]
    if (!edit || !change) return [body]
    const context = { random: randomOf(edit), donors, session, request: requests[side] }
    return change(message, context).map(one => (one instanceof Uint8Array ? one : encode(ControlMessage, one)))
  }
  const end = (side: Side) => {
    const attesting = who === 'both' ? 'both' : who === 'client' ? 'client' : 'server'
    const attests = attesting === 'both' || attesting === side
    return hardenedEnd(side, attesting, {
      transport: transport === 'dtls' ? 'dtls' : 'tls',
      now: () => clock.now,
      alterPlug: alterSession(session => ({
        ...session,
        send(body) {
          for (const one of changed(side, session, body)) session.send(one)
        },
      })),
      attestation: {
        trace: checkTrace,
        ...(attests && { attester: attesters[side].attester }),
        ...(attests && isBatched && { batch: { members: 1, window: 1 } }),
      },
    })
  }
  const pair = await connect(end('client'), end('server'), fireAll)
  for (let round = 0; round < 2; round++) {
    clock.now += ROUND
    for (const side of SIDES) {
      const { connection, attested, status } = pair[side]
      if (connection.state === 'open' && status?.isAttested && round === 0) attested?.renew()
    }
    // The second time it comes by itself, and what somebody waits for in vain ends.
    if (round > 0) fireAll(pair)
    await settle(pair)
  }
  return { pair, evidence: () => attesters[value.from].count(), said }
}

/** Lets the time run out for everybody. */
function fireAll({ client, server }: Pair): void {
  client.timers.fire()
  server.timers.fire()
}

function counting() {
  let made = 0
  const attester: Attester = attesterOf({ implementationId: new Uint8Array(32).fill(3) })
  const evidence = attester.evidence.bind(attester)
  attester.evidence = request => {
    made++
    return evidence(request)
  }
  return { attester, count: () => made }
}

function checkEnd({ connection, events, error, data, status }: End, isHonest: boolean): void {
  const { side } = connection
  const errors = events.filter(({ type }) => type === 'error')
  if (errors.length > 1) throw new Violation(`the ${side} fails ${errors.length} times`)
  void JSON.stringify(status)
  if (error) {
    const isDeclared = [AttestationError, ProtocolError, DecodeError, AlertReceived].some(one => error instanceof one)
    if (isHonest || !isDeclared) throw new Violation(`the ${side} fails with ${error.stack}`)
    if (!(error instanceof AlertReceived) && alertFor(error) === INTERNAL_ERROR) {
      throw new Violation(`the ${side} blames itself: ${error.stack}`)
    }
    checkSentence(error)
    if (connection.state !== 'closed') throw new Violation(`the ${side} has failed, and is ${connection.state}`)
    if (error instanceof AttestationError && status?.isAttested) {
      throw new Violation(`the ${side} has failed, and believes in its peer`)
    }
  } else if (connection.state !== 'open') {
    throw new Violation(`the ${side} is ${connection.state} after all`)
  }
  const opened = events.findIndex(({ type }) => type === 'established')
  const first = events.findIndex(({ type }) => type === 'data')
  if (first >= 0 && (opened < 0 || first < opened)) throw new Violation(`the ${side} has read data before it was open`)
  if (isHonest && data === '') throw new Violation(`nothing has come to the ${side}`)
  if (isHonest && status?.isAttested && status.rounds !== 3) throw new Violation(`${status.rounds} rounds were counted`)
}

let verdict: AttestationResult['submodules'] | undefined
/** What is believed was attested: no more often than Evidence was made, and nothing else than it says. */
function checkVerdict({ connection, status }: End, evidence: number): void {
  if (!status) throw new Violation('there is no status')
  const { isAttested, rounds, bindingLevel, peer } = status
  if (rounds > Math.max(0, evidence - 1)) throw new Violation(`${rounds} rounds, with ${evidence} pieces of Evidence`)
  if (!isAttested) return
  if (bindingLevel !== 3 || rounds < 1) throw new Violation(`attested at level ${bindingLevel} in ${rounds} rounds`)
  if (!peer.result?.isAccepted) throw new Violation('who is attested was not accepted')
  const { spki } = keyOf(connection.side === 'client' ? 'server' : 'client').publicKey
  if (!peer.result.attestedKey || !Buffer.from(spki).equals(peer.result.attestedKey)) {
    throw new Violation('another key is believed')
  }
  verdict ??= peer.result.submodules
  if (!isDeepStrictEqual(peer.result.submodules, verdict)) throw new Violation('other claims than were made')
}

const records = new Map<string, Promise<readonly ControlMessage[]>>()
/** What both sides say on another connection of the kind. */
function recorded(name: string): Promise<readonly ControlMessage[]> {
  const found = records.get(name) ?? renewed({ pair: name, from: 'client', edits: [] }, []).then(({ said }) => said)
  records.set(name, found)
  return found
}
