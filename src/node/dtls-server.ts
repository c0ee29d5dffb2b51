import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { type AddressInfo, isIPv6 } from 'node:net'
import { hex } from '../bytes/index.js'
import { systemEntropy } from '../crypto/index.js'
import { AddressCheck, type Admission, DtlsConnection } from '../dtls/index.js'
import { MisuseError } from '../handshake/index.js'
import type { DtlsServerOptions } from './dtls-options.js'
import { type DatagramPath, DtlsSocket } from './dtls-socket.js'
import type { SecureContextOptions, TicketOptions } from './options.js'
import type { SecureContext } from './secure-context.js'
import { ServerPlan } from './server-plan.js'

/** A DTLS 1.3 server: many peers on one UDP port. @param listener for 'secureConnection'
 *  @throws MisuseError for options that cannot be */
export function createServer(options: DtlsServerOptions, listener?: (socket: DtlsSocket) => void): DtlsServer {
  return new DtlsServer(options, listener)
}

/** Accepts DTLS 1.3 connections, told apart by address and by Connection ID (RFC 9147 §9). Who says hello has to say it
 *  again with a cookie before anything is kept of it.
 *
 *  Events: 'listening', 'secureConnection' (a DtlsSocket), 'clientError' (an error and the socket, for a handshake that
 *  was not completed), 'keylog', 'drop' (a hello, for there are too many connections), 'error', 'close'. */
export class DtlsServer extends EventEmitter {
  readonly #options: DtlsServerOptions
  readonly #plan: ServerPlan<DtlsSocket>
  readonly #check: AddressCheck
  /** All of them; which was heard of longest ago stands first. */
  readonly #peers = new Set<Peer>()
  readonly #byAddress = new Map<string, Peer>()
  readonly #byId = new Map<string, Peer>()
  #socket: Socket | undefined

  constructor(options: DtlsServerOptions, listener?: (socket: DtlsSocket) => void) {
    super()
    this.#options = options
    this.#plan = new ServerPlan(options, this)
    // Everybody is asked to say hello again, and may as well be asked for the group that we like best.
    this.#check = new AddressCheck({ ...this.#plan.negotiation, insistsOnGroupOrder: true }, systemEntropy)
    if (listener) this.on('secureConnection', listener)
  }

  /** How many associations there are. */
  get connectionCount(): number {
    return this.#peers.size
  }

  /** Takes datagrams from here on. @param host an address of this machine; default: all, of IPv6 and IPv4 */
  listen(port = 0, host?: string, listener?: () => void): this {
    if (this.#socket) throw new MisuseError('the server listens already', 'ERR_TLS_INVALID_STATE')
    if (listener) this.once('listening', listener)
    this.#bind(port, host ?? '::', host === undefined)
    return this
  }

  #bind(port: number, host: string, fallsBack: boolean): void {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    this.#socket = socket
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // As net.Server does on a machine without IPv6.
      if (fallsBack && NO_IPV6.includes(error.code ?? '')) this.#bind(port, '0.0.0.0', false)
      else this.emit('error', error)
    })
    socket.on('message', (datagram, from) => this.#receive(datagram, from))
    socket.bind(port, host, () => this.emit('listening'))
  }

  /** The process stays for this server, as it does unless told otherwise. */
  ref(): this {
    this.#socket?.ref()
    return this
  }

  /** The process does not stay for this server alone. */
  unref(): this {
    this.#socket?.unref()
    return this
  }

  /** The ticket keys: 48 bytes each, one after the other. Whoever has them can read sessions. */
  getTicketKeys(): Buffer {
    return Buffer.from(this.#plan.tickets.keys)
  }

  /** Replaces the ticket keys: the first seals from now on, all of them open. Servers that share them resume each
   *  other's sessions. @throws MisuseError */
  setTicketKeys(keys: Uint8Array): void {
    this.#plan.tickets.keys = keys
  }

  /** A context for a host name; `*` stands for one label. */
  addContext(hostname: string, context: SecureContext | SecureContextOptions): void {
    this.#plan.addContext(hostname, context)
  }

  /** Replaces certificates and trust for the connections that come. @throws MisuseError */
  setSecureContext(options: SecureContextOptions & TicketOptions): void {
    this.#plan.replaceContext(options)
  }

  /** Where it listens. */
  address(): AddressInfo {
    if (!this.#socket) throw new MisuseError('the server does not listen', 'ERR_TLS_INVALID_STATE')
    return this.#socket.address()
  }

  /** Ends all connections, and listens no more. @param listener for 'close' */
  close(listener?: () => void): this {
    if (listener) this.once('close', listener)
    for (const { socket } of [...this.#peers]) socket.destroy()
    const transport = this.#socket
    this.#socket = undefined
    // Their last words are on their way to the system.
    if (transport) setImmediate(() => transport.close(() => this.emit('close')))
    else process.nextTick(() => this.emit('close'))
    return this
  }

  #receive(datagram: Uint8Array, from: RemoteInfo): void {
    const key = keyOf(from)
    const byId = datagram[0] & C_BIT && (datagram[0] & 0xe0) === SEALED ? this.#byId.get(idIn(datagram)) : undefined
    const peer = byId ?? this.#byAddress.get(key)
    // Somebody who says hello where there is a connection already may have forgotten it, or somebody else may have got
    // the address.
    if (!peer || (datagram[0] === HANDSHAKE && !peer.socket.secureConnecting)) {
      this.#welcome(datagram, from, key, peer)
      return
    }
    peer.socket.take(datagram, () => {
      this.#hear(peer)
      if (peer.key !== key) this.#move(peer, from, key)
    })
  }

  /** A peer has shown that it lives. */
  #hear(peer: Peer): void {
    const now = performance.now()
    if (now - peer.heardAt < HEARING || !this.#peers.delete(peer)) return
    peer.heardAt = now
    this.#peers.add(peer)
  }

  /** RFC 9147 §9: the peer has another address. */
  #move(peer: Peer, from: RemoteInfo, key: string): void {
    if (this.#byAddress.get(peer.key) === peer) this.#byAddress.delete(peer.key)
    peer.key = key
    peer.socket.path = this.#pathTo(from)
    this.#byAddress.set(key, peer)
  }

  #welcome(datagram: Uint8Array, from: RemoteInfo, key: string, known: Peer | undefined): void {
    const address = Buffer.from(key)
    const admission = this.#check.admit(datagram, address, performance.now())
    if (admission.type === 'reply') this.#pathTo(from).send(admission.datagram)
    if (admission.type !== 'accept') return
    const cookie = hex(admission.retry.sent.cookie ?? new Uint8Array(0))
    // A late copy of the hello that the connection began with.
    if (known?.cookie === cookie) return
    if (known) known.socket.destroy()
    if (this.#hasRoom()) this.#accept(admission, from, key, cookie)
    else this.emit('drop')
  }

  /** Whether there may be one more, where need be in the place of one that has been silent for long. */
  #hasRoom(): boolean {
    const { maxConnections = 10_000, idleTimeout = 60_000 } = this.#options
    if (this.#peers.size < maxConnections) return true
    const [silent] = this.#peers
    if (!silent || performance.now() - silent.heardAt < idleTimeout) return false
    silent.socket.destroy()
    return true
  }

  #accept({ retry, datagram }: Admission & { type: 'accept' }, from: RemoteInfo, key: string, cookie: string): void {
    const { mtu, retransmitAfter, queueLength } = this.#options
    const socket = new DtlsSocket(this.#plan, { queueLength })
    const peer: Peer = { socket, key, cookie, ids: [], heardAt: performance.now() }
    this.#peers.add(peer)
    this.#byAddress.set(key, peer)
    const newConnectionId = () => {
      const id = systemEntropy.bytes(ID_LENGTH)
      peer.ids.push(hex(id))
      this.#byId.set(hex(id), peer)
      return id
    }
    let isOpen = false
    socket.once('secureConnect', () => {
      isOpen = true
      this.emit('secureConnection', socket)
    })
    if (this.listenerCount('keylog') > 0) socket.on('keylog', line => this.emit('keylog', line, socket))
    socket.on('error', error => {
      if (!isOpen) this.emit('clientError', error, socket)
    })
    const forget = () => {
      this.#peers.delete(peer)
      if (this.#byAddress.get(peer.key) === peer) this.#byAddress.delete(peer.key)
      for (const id of peer.ids) this.#byId.delete(id)
    }
    socket.once('close', forget)
    const path = this.#pathTo(from)
    // The plan wants to know who it is.
    socket.path = path
    const { config, ...rest } = this.#plan.configure(socket)
    const connection = new DtlsConnection('server', config, {
      ...(mtu !== undefined && { mtu }),
      ...(retransmitAfter !== undefined && { retransmitAfter }),
      retry,
      connectionId: newConnectionId(),
      newConnectionId,
    })
    socket.begin(path, { ...rest, connection })
    socket.take(datagram)
  }

  #pathTo({ address, port }: RemoteInfo): DatagramPath {
    const transport = this.#socket
    return {
      remoteAddress: address,
      remotePort: port,
      get pending() {
        return transport?.getSendQueueSize() ?? 0
      },
      // A datagram that cannot be sent is one that was lost.
      address: () => (transport && transport === this.#socket ? transport.address() : {}),
      send: datagram => transport && transport === this.#socket && transport.send(datagram, port, address, () => {}),
      close: () => {},
      hold: () => {},
    }
  }
}

interface Peer {
  readonly socket: DtlsSocket
  /** Its address. */
  key: string
  /** That of the hello that the connection began with. */
  readonly cookie: string
  readonly ids: string[]
  /** When something genuine came, in ms, give or take HEARING. */
  heardAt: number
}

/** ms within which it is not written down again that somebody lives. */
const HEARING = 1000
const NO_IPV6: readonly string[] = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL']
/** Bytes of our connection IDs: too many to guess. */
const ID_LENGTH = 8
const HANDSHAKE = 22
/** The first bits of a protected record (RFC 9147 §4). */
const SEALED = 0b0010_0000
const C_BIT = 0b0001_0000

function idIn(datagram: Uint8Array): string {
  return hex(datagram.subarray(1, 1 + ID_LENGTH))
}

function keyOf({ address, port }: RemoteInfo): string {
  return `${address} ${port}`
}
