import { type AddressInfo, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { IdleTimer } from './idle-timer.js'

/** A stream over a transport, with as much of the face of `net.Socket` as the transport has: addresses, timers, the
 *  handle. Over a stream that is no socket these are undefined, and the settings do nothing. */
export abstract class TransportSocket extends Duplex {
  /** @internal */
  protected readonly transport: Duplex
  /** @internal */
  protected readonly idle = new IdleTimer(() => this.emit('timeout'))
  /** What listens to the transport. */
  #listeners: { readonly event: string; readonly listener: Listener }[] = []
  #disobey: (() => void) | undefined

  /** @internal */
  protected constructor(
    transport: Duplex,
    options: { readonly allowHalfOpen?: boolean; readonly highWaterMark?: number },
  ) {
    super({ allowHalfOpen: options.allowHalfOpen ?? false, highWaterMark: options.highWaterMark ?? HIGH_WATER_MARK })
    this.transport = transport
    // When the peer has ended there is still our goodbye to be said: this stream has its own say in when to end.
    transport.allowHalfOpen = true
  }

  /** Whether the transport is still being connected. */
  get connecting(): boolean {
    return networkOf(this.transport)?.connecting ?? false
  }

  /** Whether the transport is not connected yet. */
  get pending(): boolean {
    return this.connecting
  }

  /** As `net.Socket` has it: of the stream, not of the handshake. */
  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening'
    if (this.readable) return this.writable ? 'open' : 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }

  /** Emits 'timeout' after so much idle time, in ms; 0: no more. The socket is not closed by it. */
  setTimeout(ms: number, callback?: () => void): this {
    this.idle.set(ms)
    if (callback) {
      if (ms === 0) this.off('timeout', callback)
      else this.once('timeout', callback)
    }
    return this
  }

  get timeout(): number {
    return this.idle.ms
  }

  setNoDelay(noDelay?: boolean): this {
    networkOf(this.transport)?.setNoDelay(noDelay)
    return this
  }

  setKeepAlive(enable?: boolean, initialDelay?: number): this {
    networkOf(this.transport)?.setKeepAlive(enable, initialDelay)
    return this
  }

  ref(): this {
    networkOf(this.transport)?.ref()
    return this
  }

  unref(): this {
    networkOf(this.transport)?.unref()
    return this
  }

  address(): AddressInfo | object {
    return networkOf(this.transport)?.address() ?? {}
  }

  get remoteAddress(): string | undefined {
    return networkOf(this.transport)?.remoteAddress
  }

  get remoteFamily(): string | undefined {
    return networkOf(this.transport)?.remoteFamily
  }

  get remotePort(): number | undefined {
    return networkOf(this.transport)?.remotePort
  }

  get localAddress(): string | undefined {
    return networkOf(this.transport)?.localAddress
  }

  get localFamily(): string | undefined {
    return networkOf(this.transport)?.localFamily
  }

  get localPort(): number | undefined {
    return networkOf(this.transport)?.localPort
  }

  /** Destroys the socket when what was written has left. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  /** Closes the connection with a TCP reset, where the transport is TCP; otherwise it is cut off. */
  resetAndDestroy(): this {
    const network = networkOf(this.transport)
    this.release()
    if (network) network.resetAndDestroy()
    else this.transport.destroy()
    return this.destroy()
  }

  /** Listens to the transport until `release`. @internal */
  protected listen(event: string, listener: Listener): void {
    this.transport.on(event, listener)
    this.#listeners.push({ event, listener })
  }

  /** Destroys this socket when the signal fires, until `release`. @internal */
  protected obey(signal: AbortSignal, abort: () => void): void {
    if (signal.aborted) {
      process.nextTick(abort)
      return
    }
    signal.addEventListener('abort', abort, { once: true })
    this.#disobey = () => signal.removeEventListener('abort', abort)
  }

  /** Stops listening, and the timer. @internal */
  protected release(): void {
    this.idle.clear()
    for (const { event, listener } of this.#listeners) this.transport.off(event, listener)
    this.#listeners = []
    this.#disobey?.()
    this.#disobey = undefined
    // Nobody listens any more, and a late error must not bring the process down.
    this.transport.on('error', ignore)
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the listener of an event takes what the event brings
type Listener = (...args: any[]) => void

/** Four full records: what is written together is sealed and sent together. */
const HIGH_WATER_MARK = 65_536

/** What of a transport has addresses and a handle; undefined for a stream that has none. */
function networkOf(transport: Duplex): Socket | TransportSocket | undefined {
  return transport instanceof Socket || transport instanceof TransportSocket ? transport : undefined
}

function ignore(): void {}
