import { ConnectionEnded, type ConnectionEvent, TlsConnection } from 'attested-tls/engine'
import { DtlsConnection } from 'attested-tls/engine/dtls'
import { decodeSession, type Established, ProtocolError, type Session } from 'attested-tls/handshake'
import { type Current, clientConfig, reverifyComplaint, type Shared, serverConfig } from './config.js'
import { Credentials } from './credentials.js'
import { overDatagrams } from './datagram-wire.js'
import { expect, expectEarlyData, expectEstablished, Unexpected } from './expectations.js'
import type { Flags } from './flags.js'
import { Wire } from './wire.js'

/** What a connection leaves for the next one. */
export interface Outcome {
  readonly session: Session | undefined
}

/** One connection with the runner, from the first byte to the last.
 *  @param retry the flags that count for a client once its early data was rejected   @throws what is not as it should be */
export async function exchange(
  flags: Flags,
  retry: Flags,
  shared: Shared,
  isResumption: boolean,
  session: Session | undefined,
): Promise<Outcome> {
  let passTime: (by: number) => void = () => {}
  const credentials = new Credentials(flags, () => passTime(flags.number('-private-key-delay-ms') ?? 0))
  let connection: TlsConnection | undefined
  const isClient = !flags.has('-server')
  const current = () => (isClient && connection?.earlyData === 'rejected' ? retry : flags)
  const maxContent = flags.number('-max-send-fragment')
  const records = maxContent === undefined ? {} : { maxContent }
  if (flags.has('-dtls')) {
    const datagrams = overDatagrams(flags, options =>
      flags.has('-server')
        ? new DtlsConnection('server', serverConfig(current, credentials, shared), options)
        : new DtlsConnection('client', clientConfig(current, credentials, shared, session), options),
    )
    const wire = datagrams.open(await Wire.open(flags))
    passTime = by => wire.advance(by)
    try {
      return await new Exchange(current, datagrams.face, wire, credentials, isResumption).run()
    } finally {
      await wire.close()
    }
  }
  connection = flags.has('-server')
    ? new TlsConnection('server', serverConfig(current, credentials, shared), records)
    : new TlsConnection('client', clientConfig(current, credentials, shared, session), records)
  const wire = new Wire(await Wire.open(flags), connection)
  try {
    return await new Exchange(current, connection, wire, credentials, isResumption).run()
  } finally {
    await wire.close()
  }
}

/** What is asked of a connection, over either transport. */
type Face = Pick<
  TlsConnection,
  'earlyData' | 'writeEarlyData' | 'fail' | 'close' | 'exportKeyingMaterial' | 'write' | 'updateKeys'
>

class Exchange {
  readonly #current: Current
  readonly #connection: Face
  readonly #wire: Pick<Wire, 'start' | 'next'>
  readonly #credentials: Credentials
  readonly #isResumption: boolean
  readonly #secrets = new Map<string, Uint8Array>()
  #session: Session | undefined

  constructor(
    current: Current,
    connection: Face,
    wire: Pick<Wire, 'start' | 'next'>,
    credentials: Credentials,
    isResumption: boolean,
  ) {
    this.#current = current
    this.#connection = connection
    this.#wire = wire
    this.#credentials = credentials
    this.#isResumption = isResumption
  }

  get #flags(): Flags {
    return this.#current()
  }

  async run(): Promise<Outcome> {
    await this.#handshake()
    if (this.#flags.has('-send-alert')) {
      this.#connection.fail(new ProtocolError(DECOMPRESSION_FAILURE, 'the test wants an alert'))
      return { session: undefined }
    }
    if (!this.#flags.has('-shim-shuts-down')) await this.#echo()
    if (!this.#flags.has('-server')) this.#expectSession()
    await this.#shutDown()
    return { session: this.#session }
  }

  /** The handshake, with what may be said during it, and what is to be said right after it. */
  async #handshake(): Promise<void> {
    const flags = this.#flags
    await this.#wire.start()
    const early = this.#connection.earlyData === 'offered'
    if (flags.has('-expect-no-offer-early-data')) expect('early data', early, false)
    let unwritten = early ? this.#writeEarly(flags) : this.#firstWords(flags)
    for (;;) {
      const event = await this.#next()
      if (event?.type === 'early') {
        // A server may speak before the client's Finished.
        this.#write(unwritten())
        unwritten = nothing
      } else if (event?.type === 'early_data') {
        this.#answer(event.data)
      } else if (event?.type === 'established') {
        this.#expectEstablished(flags, event.established)
        const isAgain = this.#flags !== flags
        this.#write(isAgain ? this.#firstWords(this.#flags)() : unwritten())
        return
      }
    }
  }

  #expectEstablished(flags: Flags, established: Established): void {
    const again = this.#flags === flags ? undefined : reverifyComplaint(this.#flags)
    if (again && established.isResumed) {
      this.#connection.fail(again)
      throw again
    }
    // The runner knows that there is none over DTLS, whatever the flags say.
    if (!flags.has('-dtls')) expectEarlyData(flags, this.#flags, established)
    expectEstablished(this.#flags, established, this.#credentials, this.#isResumption)
  }

  /** Writes what it can before the server has answered. @returns the rest */
  #writeEarly(flags: Flags): () => Uint8Array {
    const words = this.#firstWords(flags)()
    let taken = 0
    // In records of their own, as they come from the application.
    const step = flags.has('-shim-writes-first')
      ? latin1(flags.text('-shim-initial-write') ?? 'hello').length
      : words.length
    while (taken < words.length) {
      const length = this.#connection.writeEarlyData(words.subarray(taken, taken + step))
      taken += length
      if (length < step) break
    }
    return () => words.subarray(taken)
  }

  /** What the shim says before it listens. Some of it is not known before the handshake has come so far. */
  #firstWords(flags: Flags): () => Uint8Array {
    return () => {
      const pieces: Uint8Array[] = []
      const length = flags.number('-export-keying-material')
      if (length !== undefined) {
        const context = latin1(flags.text('-export-context') ?? '')
        pieces.push(this.#connection.exportKeyingMaterial(flags.text('-export-label') ?? '', context, length))
      }
      if (flags.has('-export-traffic-secrets')) pieces.push(...this.#trafficSecrets(flags))
      if (flags.has('-shim-writes-first')) {
        const times = flags.number('-repeat-shim-initial-write') ?? 1
        for (let i = 0; i < times; i++) pieces.push(latin1(flags.text('-shim-initial-write') ?? 'hello'))
      }
      return Buffer.concat(pieces)
    }
  }

  #trafficSecrets(flags: Flags): readonly Uint8Array[] {
    const client = this.#secrets.get('CLIENT_TRAFFIC_SECRET_0') ?? new Uint8Array(0)
    const server = this.#secrets.get('SERVER_TRAFFIC_SECRET_0') ?? new Uint8Array(0)
    const [read, write] = flags.has('-server') ? [client, server] : [server, client]
    return [Uint8Array.of(read.length, 0), read, write]
  }

  #write(data: Uint8Array): void {
    if (data.length > 0) this.#connection.write(data)
  }

  /** Answers each piece of data with its complement, until the peer has nothing more to say. */
  async #echo(): Promise<void> {
    for (;;) {
      if (this.#flags.has('-key-update-before-read')) this.#connection.updateKeys(false)
      const event = await this.#next(true)
      if (!event || event.type === 'end') return
      if (event.type === 'data') this.#answer(event.data)
    }
  }

  #answer(data: Uint8Array): void {
    const size = this.#flags.number('-read-size') ?? (this.#flags.has('-dtls') ? 16_384 : 512)
    for (let at = 0; at < data.length; at += size) {
      if (this.#flags.has('-key-update')) this.#connection.updateKeys(false)
      this.#connection.write(data.subarray(at, at + size).map(byte => byte ^ 0xff))
    }
  }

  #expectSession(): void {
    const isExpected = !this.#flags.has('-expect-no-session') && !this.#flags.has('-shim-shuts-down')
    expect('a session to resume', this.#session !== undefined, isExpected)
    if (!this.#session) return
    const isForEarlyData = this.#flags.has('-expect-ticket-supports-early-data')
    expect('a session for early data', this.#session.maxEarlyData > 0, isForEarlyData)
  }

  async #shutDown(): Promise<void> {
    if (!this.#flags.has('-check-close-notify')) return
    this.#connection.close()
    for (;;) {
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
        // A datagram network has no end: there it is the timer that gave up.
        if (!mayBeCut || this.#flags.has('-dtls') || !(event.error instanceof ConnectionEnded)) throw event.error
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
const nothing = () => new Uint8Array(0)

/** Arguments come as text with one character for each byte. */
function latin1(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}
