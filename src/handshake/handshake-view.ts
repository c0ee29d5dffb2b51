import type { Carrier } from './carrier.js'
import type { Suite } from './cipher-suite.js'
import type { Extensions } from './extension-table.js'
import type { Exporter } from './key-schedule.js'
import type { View } from './plug.js'

/** What a plug sees of a handshake. A class, since most connections never ask for the signal, and an object with a getter
 *  of its own costs more than all its other members. */
export class HandshakeView implements View {
  readonly side: 'client' | 'server'
  readonly version: number
  readonly suite: Suite
  readonly group: number
  readonly serverName: string | undefined
  readonly clientHello: Extensions
  readonly serverCertificateType: number | undefined
  readonly clientCertificateType: number | undefined
  readonly #carrier: Carrier
  readonly #exporter: Exporter

  constructor(carrier: Carrier, exporter: Exporter, facts: Omit<View, 'version' | 'signal' | 'handshakeExporter'>) {
    this.side = facts.side
    this.version = carrier.protocol.version
    this.suite = facts.suite
    this.group = facts.group
    this.serverName = facts.serverName
    this.clientHello = facts.clientHello
    this.serverCertificateType = facts.serverCertificateType
    this.clientCertificateType = facts.clientCertificateType
    this.#carrier = carrier
    this.#exporter = exporter
  }

  get signal(): AbortSignal {
    return this.#carrier.signal
  }

  handshakeExporter(label: string, context: Uint8Array, length: number): Uint8Array {
    return this.#exporter.derive(label, context, length)
  }
}
