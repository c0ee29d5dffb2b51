import { ConnectionEnded, type ConnectionEvent, TlsConnection } from 'attested-tls/engine'
import { decodeSession, ProtocolError, type Session } from 'attested-tls/handshake'
import { clientConfig, type Shared, serverConfig } from './config.js'
import { Credentials } from './credentials.js'
import { expect, expectEstablished, Unexpected } from './expectations.js'
import type { Flags } from './flags.js'
import { Wire } from './wire.js'

/** What a connection leaves for the next one. */
export interface Outcome {
  readonly session: Session | undefined
}

/** One connection with the runner, from the first byte to the last. @throws what is not as it should be */
export async function exchange(
  flags: Flags,
  shared: Shared,
  isResumption: boolean,
  session: Session | undefined,
): Promise<Outcome> {
  const credentials = new Credentials(flags)
  const maxContent = flags.number('-max-send-fragment')
  const records = maxContent === undefined ? {} : { maxContent }
  const connection = flags.has('-server')
    ? new TlsConnection('server', serverConfig(flags, credentials, shared), records)
    : new TlsConnection('client', clientConfig(flags, credentials, shared, session), records)
  const wire = new Wire(await Wire.open(flags), connection)
  try {
    return await new Exchange(flags, connection, wire, credentials, isResumption).run()
  } finally {
    await wire.close()
  }
}

class Exchange {
  readonly #flags: Flags
  readonly #connection: TlsConnection
  readonly #wire: Wire
  readonly #credentials: Credentials
  readonly #isResumption: boolean
  readonly #secrets = new Map<string, Uint8Array>()
  #session: Session | undefined

  constructor(flags: Flags, connection: TlsConnection, wire: Wire, credentials: Credentials, isResumption: boolean) {
    this.#flags = flags
    this.#connection = connection
    this.#wire = wire
    this.#credentials = credentials
    this.#isResumption = isResumption
  }

  async run(): Promise<Outcome> {
    const flags = this.#flags
    await this.#handshake()
    if (flags.has('-send-alert')) {
      this.#connection.fail(new ProtocolError(DECOMPRESSION_FAILURE, 'the test wants an alert'))
      return { session: undefined }
    }
    this.#writeFirst()
    if (!flags.has('-shim-shuts-down')) await this.#echo()
    if (!flags.has('-server')) this.#expectSession()
    await this.#shutDown()
    return { session: this.#session }
  }

  async #handshake(): Promise<void> {
    this.#connection.start()
    for (;;) {
      const event = await this.#next()
      if (event?.type !== 'established') continue
      expectEstablished(this.#flags, event.established, this.#credentials, this.#isResumption)
      return
    }
  }

  /** What the shim says before it listens. */
  #writeFirst(): void {
    const flags = this.#flags
    const length = flags.number('-export-keying-material')
    if (length !== undefined) {
      const context = latin1(flags.text('-export-context') ?? '')
      this.#connection.write(this.#connection.exportKeyingMaterial(flags.text('-export-label') ?? '', context, length))
    }
    if (flags.has('-export-traffic-secrets')) this.#writeSecrets()
    if (!flags.has('-shim-writes-first')) return
    const times = flags.number('-repeat-shim-initial-write') ?? 1
    for (let i = 0; i < times; i++) this.#connection.write(latin1(flags.text('-shim-initial-write') ?? 'hello'))
  }

  #writeSecrets(): void {
    const client = this.#secrets.get('CLIENT_TRAFFIC_SECRET_0') ?? new Uint8Array(0)
    const server = this.#secrets.get('SERVER_TRAFFIC_SECRET_0') ?? new Uint8Array(0)
    const isServer = this.#flags.has('-server')
    const [read, write] = isServer ? [client, server] : [server, client]
    for (const bytes of [Uint8Array.of(read.length, 0), read, write]) this.#connection.write(bytes)
  }

  /** Answers each piece of data with its complement, until the peer has nothing more to say. */
  async #echo(): Promise<void> {
    const size = this.#flags.number('-read-size') ?? 512
    for (;;) {
      if (this.#flags.has('-key-update-before-read')) this.#connection.updateKeys(false)
      const event = await this.#next(true)
      if (!event || event.type === 'end') return
      if (event.type !== 'data') continue
      for (let at = 0; at < event.data.length; at += size) {
        if (this.#flags.has('-key-update')) this.#connection.updateKeys(false)
        this.#connection.write(event.data.subarray(at, at + size).map(byte => byte ^ 0xff))
      }
    }
  }

  #expectSession(): void {
    const isExpected = !this.#flags.has('-expect-no-session') && !this.#flags.has('-shim-shuts-down')
    expect('a session to resume', this.#session !== undefined, isExpected)
  }

  async #shutDown(): Promise<void> {
    if (!this.#flags.has('-check-close-notify')) return
    this.#connection.close()
    while (this.#connection.isReadable) {
      const event = await this.#next(true)
      if (!event && this.#isCut) throw new Unexpected('Unexpected SSL_shutdown result: -1 != 1')
      if (!event) return
    }
  }

  #isCut = false

  /** The next event that is not only to be kept.
   *  @param mayBeCut whether the end of the transport is an end like any other   @throws the error of the connection */
  async #next(mayBeCut = false): Promise<ConnectionEvent | undefined> {
    const event = await this.#wire.next()
    switch (event?.type) {
      case undefined:
        if (mayBeCut) return undefined
        throw new Unexpected('the connection is over')
      case 'error':
        if (!mayBeCut || !(event.error instanceof ConnectionEnded)) throw event.error
        this.#isCut = true
        return undefined
      case 'session':
        this.#session = decodeSession(event.session) ?? undefined
        return event
      case 'keylog': {
        const [label = '', , secret = ''] = event.line.split(' ')
        this.#secrets.set(label, Uint8Array.from(Buffer.from(secret, 'hex')))
        return event
      }
      default:
        return event
    }
  }
}

const DECOMPRESSION_FAILURE = 30

/** Arguments come as text with one character for each byte. */
function latin1(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}
