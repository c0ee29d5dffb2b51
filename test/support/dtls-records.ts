import { MacKey } from '#src/crypto/index.js'
import { OutgoingEpoch } from '#src/dtls/outgoing-epoch.js'
import type { Record } from '#src/dtls/record.js'
import { RecordProtection } from '#src/dtls/record-protection.js'
import { RecordReader } from '#src/dtls/record-reader.js'
import { suiteOf, TrafficSecret } from '#src/handshake/index.js'
import type { DatagramEnd } from './datagram-pair.js'
import type { Side } from './pair.js'

/** The epochs of a handshake whose records can be looked into. */
type SealedEpoch = 2 | 3

/** The keys of one side, from the key log of a pair that has a connection, or is on its way to one. */
function protectionOf(
  side: Side,
  epoch: SealedEpoch,
  end: DatagramEnd,
  cipherSuite = 0x1301,
): RecordProtection | undefined {
  const label = `${side.toUpperCase()}_${epoch === 2 ? 'HANDSHAKE_TRAFFIC_SECRET' : 'TRAFFIC_SECRET_0'}`
  const lines = end.events.flatMap(event => (event.type === 'keylog' ? [event.line] : []))
  const secret = lines.find(line => line.startsWith(label))?.split(' ')[2]
  const suite = suiteOf(cipherSuite)
  if (!suite || secret === undefined) return undefined
  return new RecordProtection(new TrafficSecret(new MacKey(suite.hash, Buffer.from(secret, 'hex')), 'dtls13'), suite)
}

/** What one side has sent, opened.
 *  @param since how many datagrams of it are passed over   @param connectionId what its peer wants to see in them */
export function recordsFrom(end: DatagramEnd, since = 0, connectionId?: Uint8Array): readonly Record[] {
  const reader = new RecordReader()
  if (connectionId) reader.expectConnectionIds([connectionId])
  for (const epoch of [2, 3] as const) {
    const protection = protectionOf(end.side, epoch, end, end.connection.established?.suite.id)
    if (protection) reader.protect(epoch, protection, Number.MAX_SAFE_INTEGER)
  }
  return end.sent.slice(since).flatMap(({ datagram }) => [...reader.read(datagram, 0)])
}

/** A record as one side makes it, of whatever it would never send.   @param end that side */
export function forge(
  end: DatagramEnd,
  epoch: SealedEpoch,
  type: number,
  content: Uint8Array,
  number = 1000,
): Uint8Array {
  const protection = protectionOf(end.side, epoch, end, end.established.suite.id)
  if (!protection) throw new Error(`the ${end.side} has no keys of epoch ${epoch}`)
  return new OutgoingEpoch(epoch, protection, undefined, number).write(type, content)
}
