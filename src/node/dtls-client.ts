import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { NamedGroup } from '../crypto/index.js'
import { DtlsConnection } from '../dtls/index.js'
import { type ClientConfig, MisuseError } from '../handshake/index.js'
import { planClient } from './client-plan.js'
import type { DtlsConnectOptions } from './dtls-options.js'
import { type DatagramPath, DtlsSocket } from './dtls-socket.js'

/** Connects as a DTLS 1.3 client. The peer is checked before 'secureConnect' and before any message leaves.
 *  @param listener for 'secureConnect'   @throws MisuseError for options that cannot be */
export function connect(options: DtlsConnectOptions, listener?: () => void): DtlsSocket {
  const { host = 'localhost', port } = options
  if (!Number.isInteger(port) || port < 1 || port > 0xffff) throw new MisuseError('`connect` needs a `port`')
  const plan = planClient({ ...options, host })
  const socket = new DtlsSocket(plan, { queueLength: options.queueLength, signal: options.signal })
  if (listener) socket.once('secureConnect', listener)
  const find: LookupFunction = options.lookup ?? lookup
  find(host, { family: options.family ?? 0 }, (error, found, family) => {
    const [address = ''] = typeof found === 'string' ? [found] : found.map(entry => entry.address)
    if (error) socket.destroy(error)
    else if (!socket.destroyed) open(address, family ?? isIP(address))
  })
  return socket

  function open(address: string, family: number): void {
    const transport = createSocket(family === 6 ? 'udp6' : 'udp4')
    let isOpen = true
    const close = () => {
      if (isOpen) transport.close()
      isOpen = false
    }
    socket.once('close', close)
    // Anybody can make the system believe that the port is closed; who has a connection knows better, or will see.
    transport.on('error', error => socket.secureConnecting && socket.destroy(error))
    transport.on('message', datagram => socket.take(datagram))
    const { localAddress, localPort } = options
    if (localAddress !== undefined || localPort !== undefined) transport.bind(localPort, localAddress)
    transport.connect(port, address, () => {
      if (socket.destroyed) return
      const path: DatagramPath = {
        remoteAddress: address,
        remotePort: port,
        get pending() {
          return transport.getSendQueueSize()
        },
        address: () => (isOpen ? transport.address() : {}),
        // A datagram that cannot be sent is one that was lost; a peer that is not there is told of by 'error'.
        send: datagram => isOpen && transport.send(datagram, () => {}),
        close,
        hold: isHeld => void (isHeld ? transport.ref() : transport.unref()),
      }
      const { config, ...rest } = plan.configure(socket, options.session)
      const fitting = { ...config, keyShareGroups: fittingShares(config) }
      // An empty connection ID: we stay where we are, but a server wants to know us when our address changes on the way.
      const connection = new DtlsConnection('client', fitting, { ...tuning(options), connectionId: new Uint8Array(0) })
      socket.begin(path, { ...rest, connection })
    })
  }
}

/** The groups to send a key share for: one whose share leaves the first ClientHello in one datagram, if there is one. A
 *  server that has kept nothing yet may not join two, and asks for another group when it asks for its cookie. */
function fittingShares({ groups, keyShareGroups }: ClientConfig): readonly number[] {
  const fitting = groups.find(group => !LONG_SHARES.includes(group))
  return fitting === undefined ? keyShareGroups : [fitting]
}

/** Groups whose shares are longer than a datagram has room for. */
const LONG_SHARES: readonly number[] = [NamedGroup.X25519MLKEM768, NamedGroup.MLKEM1024]

function tuning({ mtu, retransmitAfter }: DtlsConnectOptions) {
  return { ...(mtu !== undefined && { mtu }), ...(retransmitAfter !== undefined && { retransmitAfter }) }
}
