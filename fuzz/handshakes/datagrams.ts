import { isDeepStrictEqual } from 'node:util'
import { encodeAcknowledgement } from '#src/dtls/acknowledgement.js'
import { plain } from '#src/dtls/outgoing-epoch.js'
import { AlertReceived, alertFor, ConnectionEnded } from '#src/handshake/index.js'
import { type DatagramEnd, type DatagramPair, makeDatagramPair } from '../../test/support/datagram-pair.js'
import type { PairOptions } from '../../test/support/pair.js'
import { mutateBinary } from '../mutate/binary.js'
import type { Random } from '../random.js'
import { checkSentence, gist, type Target, Violation } from '../target.js'
import { decodeCase, type HandshakeCase, overCases, randomOf } from './case.js'
import { contentOf, DatagramInterceptor, wholeMessages } from './datagram-interceptor.js'
import { edits } from './edits.js'
import { honest, pairs } from './pairs.js'

/** DTLS has no early data; a resumed handshake is the same over another carrier; and the signature over results is checked in
 *  another thread, which a clock that moves when nothing else does would not wait for. */
const ELSEWHERE: ReadonlySet<string> = new Set(['resumed', 'early', 'passport', 'passport-client'])
const NAMES = Object.keys(pairs).filter(name => !ELSEWHERE.has(name))
const INTERNAL_ERROR = 80

/** DTLS connections in which one side deviates behind its own back: what it sends is changed before it is sealed. */
export const datagramStreams: Target = {
  name: 'handshake:dtls',
  weight: 20,
  ...overCases(NAMES),
  async run(input) {
    const value = decodeCase(input, NAMES)
    if (!value) return 'no case'
    const donors = (await Promise.all([...new Set([value.pair, 'everything', 'plain'])].map(honest))).flat()
    const pair = await makePairOf(value.pair)
    const interceptor = new DatagramInterceptor(value.from)
    let count = 0
    pair.network = {
      intercept(datagram, from) {
        const chosen = pair.client.connection.established ?? pair.server.connection.established
        if (chosen) interceptor.suite = chosen.suite.id
        interceptor.learn([...pair.client.events, ...pair.server.events])
        const records = from === value.from ? interceptor.open(datagram) : []
        if (records.length === 0) return [datagram]
        return records.flatMap(record => {
          const messages = wholeMessages(record)
          if (!messages) return [interceptor.seal(record)]
          return messages.flatMap(message => {
            const edit = value.edits.find(({ at }) => at === count)
            count++
            const change = edit && edits[edit.change]
            const instead =
              edit && change ? change(message, { random: randomOf(edit), donors, seal: undefined }) : [message.raw]
            return instead.map((item, index) =>
              'raw' in item
                ? item.raw
                : interceptor.seal({ ...record, content: contentOf([{ raw: item, seq: message.seq + index }]) }),
            )
          })
        })
      },
    }
    await runAndExchange(pair)
    const victim = value.from === 'client' ? pair.server : pair.client
    if (value.edits.length === 0 && victim.connection.state !== 'open') {
      throw new Violation(`nothing was changed, and yet: ${victim.error?.message}`)
    }
    return `${value.pair} ${value.from}: ${victim.error ? gist(victim.error) : victim.connection.state}`
  },
}

/** DTLS connections whose datagrams somebody without keys meddles with. What they add to it, or what of it they damage that
 *  is protected, ends nothing (RFC 9147 §4.5.2). */
export const forgedDatagrams: Target = {
  name: 'forged:dtls',
  weight: 20,
  ...overCases(NAMES, () => Object.keys(forgeries)),
  async run(input) {
    const value = decodeCase(input, NAMES)
    if (!value) return 'no case'
    const pair = await makePairOf(value.pair)
    const sent: Uint8Array[] = []
    let count = 0
    let mayFail = false
    pair.network = {
      intercept(datagram, from) {
        sent.push(datagram)
        if (from !== value.from) return [datagram]
        const edit = value.edits.find(({ at }) => at === count)
        count++
        const forge = edit && forgeries[edit.change]
        if (!forge) return [datagram]
        const found = forge(datagram, randomOf(edit), sent)
        mayFail ||= !found.every(bytes => bytes === datagram || isHarmless(bytes))
        return found
      },
    }
    await runAndExchange(pair)
    const states = [pair.client, pair.server].map(({ connection, error }) => error?.message ?? connection.state)
    if (!mayFail && states.join() !== 'open,open') {
      throw new Violation(`somebody without keys has ended the connection: ${states.join(', ')}`)
    }
    return `${value.pair} ${value.from}: ${states.map(state => gist(new Error(state))).join(', ')}`
  },
}

/** What somebody on the way can do with a datagram. */
const forgeries: Readonly<
  Record<string, (datagram: Uint8Array, random: Random, sent: readonly Uint8Array[]) => readonly Uint8Array[]>
> = {
  lost: () => [],
  twice: datagram => [datagram, datagram],
  damaged: (datagram, random, sent) => [mutateBinary(datagram, random, sent)],
  damagedBefore: (datagram, random, sent) => [mutateBinary(datagram, random, sent), datagram],
  damagedAfter: (datagram, random, sent) => [datagram, mutateBinary(datagram, random, sent)],
  old: (datagram, random, sent) => [random.pick(sent), datagram],
  noise: (datagram, random) => [random.bytes(random.below(80)), datagram],
  sealedNoise: (datagram, random) => [
    ...Array.from({ length: 1 + random.below(20) }, () => {
      const bytes = random.bytes(1 + random.below(80))
      bytes[0] = 0x20 | ((bytes[0] ?? 0) & 0x1f)
      return bytes
    }),
    datagram,
  ],
  plainAlert: (datagram, random) => [plain(21, random.below(9), Uint8Array.of(2, random.below(120))), datagram],
  plainAck: (datagram, random) => [
    plain(26, random.below(9), encodeAcknowledgement([{ epoch: 2, sequenceNumber: random.below(9) }])),
    datagram,
  ],
  plainFragment: (datagram, random) => [
    plain(22, random.below(9), Uint8Array.of(random.below(30), 0, 0, 2, 0, random.below(9), 0, 0, 0, 0, 0, 2, 1, 2)),
    datagram,
  ],
}

/** Whether nobody without keys can have it taken for one of the peer's: its records would have to be protected. */
function isHarmless(bytes: Uint8Array): boolean {
  return bytes.length === 0 || ((bytes[0] ?? 0) & 0xe0) === 0x20
}

async function makePairOf(name: HandshakeCase['pair']): Promise<DatagramPair> {
  const options: PairOptions = (await pairs[name]?.()) ?? {}
  const { client, server } = options
  return makeDatagramPair({
    ...(client && { client: { ...client, session: undefined } }),
    ...(server && { server }),
    clientDatagrams: { retransmitAfter: 100, maxRetransmissions: 4 },
    serverDatagrams: { retransmitAfter: 100, maxRetransmissions: 4 },
  })
}

async function runAndExchange(pair: DatagramPair): Promise<void> {
  await pair.run()
  for (const { connection } of [pair.client, pair.server]) {
    if (connection.state === 'open') connection.write(Uint8Array.of(1, 2, 3), pair.now)
    if (connection.state === 'open') connection.updateKeys(true, pair.now)
  }
  await pair.settle()
  for (const end of [pair.client, pair.server]) checkEnd(end)
  checkAgreement(pair)
}

function checkEnd({ side, events, error, connection }: DatagramEnd): void {
  const errors = events.filter(({ type }) => type === 'error')
  if (errors.length > 1) throw new Violation(`the ${side} fails ${errors.length} times`)
  const hasBeenOpen = events.some(({ type }) => type === 'established')
  if (error) {
    checkSentence(error)
    const isOurs = !(error instanceof AlertReceived || error instanceof ConnectionEnded)
    if (isOurs && alertFor(error) === INTERNAL_ERROR) throw new Violation(`the ${side} blames itself: ${error.stack}`)
    if (connection.state !== 'closed') throw new Violation(`the ${side} has failed, and is ${connection.state}`)
    if (events.at(-1)?.type !== 'error') throw new Violation(`the ${side} goes on after its error`)
  }
  if (events.some(({ type }) => type === 'data') && !hasBeenOpen) {
    throw new Violation(`the ${side} has read data before it was open`)
  }
}

/** Two that both believe in their connection believe in the same one. */
function checkAgreement({ client, server }: DatagramPair): void {
  const [a, b] = [client, server].map(({ connection }) => connection.established)
  if (!a || !b) return
  const seen = [a, b].map(({ suite, alpn, group, exporter }) => ({
    suite: suite.id,
    alpn,
    group,
    exported: Buffer.from(exporter.derive('EXPORTER-fuzz', new Uint8Array(0), 32)).toString('hex'),
  }))
  if (!isDeepStrictEqual(seen[0], seen[1])) throw new Violation('both are connected, to different ends')
}
