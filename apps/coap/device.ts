import { once } from 'node:events'
import { connect } from 'attested-tls/dtls'
import type { Attester } from 'attested-tls/rats'
import { Agent, type IncomingMessage, request } from 'coap'
import { AttestedDatagrams } from './datagrams.js'

/** What a device comes with. */
export interface DeviceOptions {
  readonly port: number
  readonly key: string
  readonly cert: string
  /** The certificate of its service. */
  readonly service: string
  /** What vouches for the firmware that it runs. */
  readonly attester: Attester
}

/** A device that enrolls at its service, and then reports. */
export class Device {
  readonly #agent: Agent
  readonly #datagrams: AttestedDatagrams

  private constructor(datagrams: AttestedDatagrams) {
    this.#datagrams = datagrams
    this.#agent = new Agent({ socket: datagrams.socket })
  }

  /** Proves to the service what runs here. @throws Error if it is refused */
  static async start({ port, key, cert, service, attester }: DeviceOptions): Promise<Device> {
    const socket = connect({ host: '127.0.0.1', port, key, cert, ca: service, attestation: { attester } })
    await once(socket, 'secureConnect')
    const datagrams = new AttestedDatagrams()
    datagrams.add(SERVICE, socket)
    return new Device(datagrams)
  }

  /** A confirmable request (RFC 7252 §4.2): CoAP sends it again until it is answered. */
  async post(pathname: string, payload: string): Promise<IncomingMessage> {
    const message = request({ hostname: SERVICE, pathname, method: 'POST', confirmable: true, agent: this.#agent })
    const answered = once(message, 'response')
    message.end(payload)
    const [response] = await answered
    return response
  }

  stop(): void {
    this.#datagrams.close()
  }
}

const SERVICE = 'service'
