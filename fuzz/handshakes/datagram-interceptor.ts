import { type HashName, MacKey } from '#src/crypto/index.js'
import { FRAGMENT_HEADER_LENGTH, type Fragment, readFragments, writeFragment } from '#src/dtls/fragment.js'
import { OutgoingEpoch, plain } from '#src/dtls/outgoing-epoch.js'
import { RecordProtection } from '#src/dtls/record-protection.js'
import { RecordReader } from '#src/dtls/record-reader.js'
import { type ConnectionEvent, type Message, suiteOf, TrafficSecret } from '#src/handshake/index.js'

/** A record as it was sent, opened. */
export interface OpenedRecord {
  readonly type: number
  readonly epoch: number
  readonly sequenceNumber: number
  readonly content: Uint8Array
}

/** Reads the datagrams of one side with the secrets that it has logged, and seals what is to stand in them instead. */
export class DatagramInterceptor {
  readonly #side: 'client' | 'server'
  readonly #reader = new RecordReader()
  readonly #epochs = new Map<number, OutgoingEpoch>()
  readonly #secrets = new Map<string, Uint8Array>()
  #suite = 0x1301

  constructor(side: 'client' | 'server') {
    this.#side = side
  }

  /** @param events of either side: what is in the key log is the same */
  learn(events: readonly ConnectionEvent[]): void {
    for (const event of events) {
      if (event.type === 'keylog') {
        const [label = '', , secret = ''] = event.line.split(' ')
        this.#secrets.set(label, Buffer.from(secret, 'hex'))
      }
    }
    const name = this.#side.toUpperCase()
    this.#begin(2, `${name}_HANDSHAKE_TRAFFIC_SECRET`)
    this.#begin(3, `${name}_TRAFFIC_SECRET_0`)
  }

  /** The suite of the connection, as ServerHello says. */
  set suite(id: number) {
    this.#suite = id
  }

  /** The records of a datagram, as far as they can be read. */
  open(datagram: Uint8Array): readonly OpenedRecord[] {
    return [...this.#reader.read(Uint8Array.from(datagram), 0)].map(({ type, number, content }) => ({
      type,
      epoch: number.epoch,
      sequenceNumber: number.sequenceNumber,
      content: Uint8Array.from(content),
    }))
  }

  /** A record with other content, in the same epoch; those after it have other numbers if there are more of them. */
  seal({ type, epoch, sequenceNumber, content }: OpenedRecord): Uint8Array {
    if (epoch === 0) return plain(type, sequenceNumber, content)
    const outgoing = this.#epochs.get(epoch)
    if (!outgoing) throw new Error(`there are no keys of epoch ${epoch}`)
    return outgoing.write(type, content)
  }

  #begin(epoch: number, label: string): void {
    const bytes = this.#secrets.get(label)
    const suite = suiteOf(this.#suite)
    if (this.#epochs.has(epoch) || !bytes || !suite) return
    const hash: HashName = bytes.length === 48 ? 'sha384' : 'sha256'
    const secret = new TrafficSecret(new MacKey(hash, bytes), 'dtls13')
    this.#reader.protect(epoch, new RecordProtection(secret, suite), Number.POSITIVE_INFINITY)
    this.#epochs.set(epoch, new OutgoingEpoch(epoch, new RecordProtection(secret, suite)))
  }
}

/** The fragments of a record that are whole messages, as messages; null if it holds others. */
export function wholeMessages({ type, content }: OpenedRecord): readonly (Message & { readonly seq: number })[] | null {
  if (type !== 22) return null
  const fragments = readFragments(content)
  if (fragments.some(({ length, data }) => data.length !== length)) return null
  return fragments.map(({ type, data, messageSeq }) => {
    const raw = new Uint8Array(4 + data.length)
    raw.set([type, data.length >>> 16, data.length >>> 8, data.length])
    raw.set(data, 4)
    return { type, raw, body: raw.subarray(4), seq: messageSeq }
  })
}

/** Messages as the content of a record, one fragment each. Their headers may say what they like. */
export function contentOf(messages: readonly { readonly raw: Uint8Array; readonly seq: number }[]): Uint8Array {
  const parts = messages.map(({ raw, seq }) => {
    const data = raw.subarray(4)
    const fragment: Fragment = {
      type: raw[0] ?? 0,
      length: ((raw[1] ?? 0) << 16) | ((raw[2] ?? 0) << 8) | (raw[3] ?? 0),
      messageSeq: seq,
      offset: 0,
      data,
    }
    const bytes = new Uint8Array(FRAGMENT_HEADER_LENGTH + data.length)
    writeFragment(fragment, bytes, 0)
    return bytes
  })
  return Uint8Array.from(Buffer.concat(parts))
}
