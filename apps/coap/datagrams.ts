import type { Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import type { DtlsSocket } from 'attested-tls/dtls'

/** DTLS associations as the socket that a CoAP library sends and receives with: each message is a datagram, and each peer
 *  has a name in place of an address, which stays when the address changes. */
export class AttestedDatagrams extends EventEmitter {
  readonly #peers = new Map<string, DtlsSocket>()

  /** Takes part in CoAP from here on, until the association ends. @param name not that of another peer */
  add(name: string, socket: DtlsSocket): void {
    this.#peers.set(name, socket)
    socket.on('message', message => this.emit('message', message, { address: name, port: COAPS, family: 'IPv4' }))
    socket.on('close', () => this.#peers.delete(name))
  }

  /** The association that was added last. */
  get newest(): DtlsSocket | undefined {
    return [...this.#peers.values()].at(-1)
  }

  /** The association with a peer. */
  of(name: string): DtlsSocket | undefined {
    return this.#peers.get(name)
  }

  /** As `dgram.Socket` has it. What the association does not take is lost, as datagrams may be: CoAP sends it again. */
  send(message: Buffer, offset: number, length: number, _port: number, name: string, done?: () => void): void {
    const socket = this.#peers.get(name)
    if (socket && !socket.destroyed) socket.send(message.subarray(offset, offset + length))
    done?.()
  }

  address(): object {
    return { address: '', port: COAPS, family: 'IPv4' }
  }

  close(done?: () => void): void {
    for (const socket of this.#peers.values()) socket.close()
    this.emit('close')
    done?.()
  }

  /** Under the type that the library asks for; of it, it uses no more than stands here. */
  get socket(): Socket {
    return this as unknown as Socket
  }
}

/** The port of CoAP over DTLS (RFC 7252 §6.2). */
const COAPS = 5684
