import { type HashName, MacKey } from '#src/crypto/index.js'
import { HandshakeType, type Message, MessageAssembler, suiteOf, TrafficSecret } from '#src/handshake/index.js'
import { RecordProtection } from '#src/tls/record-protection.js'
import { RecordReader } from '#src/tls/record-reader.js'

/** What a test does to what one side sends, with the side's own keys. Without hooks everything passes as it is. */
export interface Hooks {
  /** A handshake message on its way: what to send instead, each in a record of its own; undefined: the message. */
  message?(message: Message, seal: Sealer): readonly (Uint8Array | Raw)[] | undefined
  /** A record on its way, opened: what to send instead; undefined: the record. Not asked if there is a `message` hook
   *  and the record holds handshake messages. */
  record?(record: PlainRecord, seal: Sealer): readonly (PlainRecord | Raw)[] | undefined
}

export interface PlainRecord {
  readonly type: number
  readonly content: Uint8Array
}

/** Bytes that go to the link as they are. */
export interface Raw {
  readonly raw: Uint8Array
}

/** Makes a record of any inner plaintext with the keys of the moment. */
export type Sealer = (inner: Uint8Array, outerType?: number) => Raw

/** What both interceptors of a pair know. */
export interface Secrets {
  /** By their labels in the key log. */
  readonly byLabel: Map<string, Uint8Array>
  /** The cipher suite that ServerHello chose. */
  suite: number
}

/** Reads what one side sends with the secrets that it logged, and lets hooks change it. */
export class Interceptor {
  /** AlertDescriptions seen, close_notify too. */
  readonly alerts: number[] = []
  readonly #side: 'client' | 'server'
  readonly #hooks: Hooks
  readonly #isActive: boolean
  readonly #reader = new RecordReader()
  readonly #assembler = new MessageAssembler(() => 2 ** 24)
  #writer: RecordProtection | undefined
  #secret: TrafficSecret | undefined
  #isBlind = false

  constructor(side: 'client' | 'server', hooks: Hooks) {
    this.#side = side
    this.#hooks = hooks
    this.#isActive = hooks.message !== undefined || hooks.record !== undefined
  }

  pass(bytes: Uint8Array, secrets: Secrets): Uint8Array[] {
    const output: Uint8Array[] = []
    this.#reader.add(Uint8Array.from(bytes))
    for (;;) {
      const record = this.#next(secrets)
      if (!record) break
      if (record.type === 21 && record.content.length === 2) this.alerts.push(record.content[1] ?? 0)
      const seal: Sealer = (inner, outerType = 23) => ({ raw: this.#seal(inner, outerType) })
      if (record.type === 22) {
        this.#assembler.add(Uint8Array.from(record.content))
        const messages: Message[] = []
        for (let message = this.#assembler.take(); message; message = this.#assembler.take()) messages.push(message)
        if (this.#hooks.message) {
          for (const message of messages) {
            const instead = this.#hooks.message(message, seal) ?? [message.raw]
            for (const item of instead) {
              output.push('raw' in item ? item.raw : this.#protect({ type: 22, content: item }))
            }
            this.#follow(message, secrets)
          }
        } else {
          this.#emit(output, record, seal)
          for (const message of messages) this.#follow(message, secrets)
        }
      } else {
        this.#emit(output, record, seal)
      }
    }
    return this.#isActive ? output : [bytes]
  }

  #next(secrets: Secrets): PlainRecord | undefined {
    if (this.#isBlind) return undefined
    if (!this.#secret && this.#side === 'client') this.#begin('CLIENT_HANDSHAKE_TRAFFIC_SECRET', secrets)
    try {
      return this.#reader.next()
    } catch (error) {
      // What it cannot read it does not change: the side has other keys than it logged.
      if (this.#isActive) throw error
      this.#isBlind = true
      return undefined
    }
  }

  #emit(output: Uint8Array[], record: PlainRecord, seal: Sealer): void {
    for (const item of this.#hooks.record?.(record, seal) ?? [record]) {
      output.push('raw' in item ? item.raw : this.#protect(item))
    }
  }

  /** The keys change where the messages say so. */
  #follow(message: Message, secrets: Secrets): void {
    const name = this.#side.toUpperCase()
    if (message.type === HandshakeType.server_hello) {
      const at = 2 + 32 + 1 + (message.body[34] ?? 0)
      secrets.suite = ((message.body[at] ?? 0) << 8) | (message.body[at + 1] ?? 0)
      this.#begin(`${name}_HANDSHAKE_TRAFFIC_SECRET`, secrets)
    } else if (message.type === HandshakeType.finished) {
      this.#secret = undefined
      this.#begin(`${name}_TRAFFIC_SECRET_0`, secrets)
    } else if (message.type === HandshakeType.key_update && this.#secret) {
      this.#use(this.#secret.next(), secrets.suite)
    }
  }

  /** Takes new keys if they have been logged already. A server logs its own before it sends ServerHello; a client's
   *  are there when it has read that. */
  #begin(label: string, secrets: Secrets): void {
    const bytes = secrets.byLabel.get(label)
    if (!bytes || this.#secret) return
    const hash: HashName = bytes.length === 48 ? 'sha384' : 'sha256'
    this.#use(new TrafficSecret(new MacKey(hash, bytes)), secrets.suite)
  }

  #use(secret: TrafficSecret, suiteId: number): void {
    const suite = suiteOf(suiteId)
    if (!suite) throw new Error('a cipher suite that the interceptor does not know')
    this.#secret = secret
    this.#reader.protect(new RecordProtection(secret, suite), true)
    this.#writer = new RecordProtection(secret, suite)
  }

  #protect({ type, content }: PlainRecord): Uint8Array {
    if (this.#writer && type !== 20) return this.#seal(Buffer.concat([content, Uint8Array.of(type)]), 23)
    return Buffer.concat([Uint8Array.of(type, 3, 3, content.length >>> 8, content.length), content])
  }

  #seal(inner: Uint8Array, outerType: number): Uint8Array {
    if (!this.#writer) throw new Error('there are no keys to seal with')
    const length = inner.length + 16
    const record = new Uint8Array(5 + length)
    record.set([outerType, 3, 3, length >>> 8, length])
    record.set(inner, 5)
    this.#writer.seal(record.subarray(0, 5), record, 5, 5 + inner.length)
    return record
  }
}
