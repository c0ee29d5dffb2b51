import { ProtocolError } from './alert.js'
import type { Carrier } from './carrier.js'
import type { Suite } from './cipher-suite.js'
import type { ClientConfig, ServerConfig } from './config.js'
import type { ExtensionTable } from './extension-table.js'
import type { KeyLog } from './key-log.js'
import {
  EarlySecret,
  type Exporter,
  type HandshakeSecret,
  type MainSecret,
  type ResumptionSecret,
  type TrafficSecret,
} from './key-schedule.js'
import { decodeMessage, encodeMessage, Finished, HandshakeType, type Message } from './messages.js'
import { tableWith } from './table.js'
import { Transcript } from './transcript.js'

/** What stays the same through a handshake, and what client and server do alike in it. */
export class HandshakeState<C extends ClientConfig | ServerConfig> {
  readonly config: C
  readonly carrier: Carrier
  readonly keyLog: KeyLog
  readonly table: ExtensionTable
  readonly transcript = new Transcript()

  constructor(config: C, carrier: Carrier, keyLog: KeyLog) {
    this.config = config
    this.carrier = carrier
    this.keyLog = keyLog
    this.table = tableWith(config.plug)
  }

  send(message: Uint8Array): void {
    this.transcript.add(message)
    this.carrier.send(message)
  }

  /** The Early Secret of the PSK that was chosen, or the one of every handshake without a PSK. */
  earlySecret(suite: Suite, psk: { readonly early: EarlySecret } | undefined): EarlySecret {
    return psk?.early ?? EarlySecret.withoutPsk(suite.hash, this.carrier.protocol.labelPrefix)
  }

  /** The Handshake Secret and what comes of it (RFC 8446 §7.1). The transcript is ClientHello...ServerHello.
   *  @param sharedSecret of (EC)DHE, given away: it is wiped */
  handshakeSecrets(early: EarlySecret, sharedSecret: Uint8Array): HandshakeSecrets {
    const secret = early.handshakeSecret(sharedSecret)
    sharedSecret.fill(0)
    const helloHash = this.transcript.digest()
    const server = secret.traffic('server', helloHash)
    const client = secret.traffic('client', helloHash)
    const exporter = secret.handshakeExporter(helloHash)
    this.keyLog.add('SERVER_HANDSHAKE_TRAFFIC_SECRET', server)
    this.keyLog.add('CLIENT_HANDSHAKE_TRAFFIC_SECRET', client)
    this.carrier.offerHandshakeExporter(exporter)
    return { secret, server, client, exporter }
  }

  /** The Main Secret and what comes of it (RFC 8446 §7.1). The transcript is ClientHello...server Finished. */
  mainSecrets(handshake: HandshakeSecret): MainSecrets {
    const secret = handshake.mainSecret()
    handshake.wipe()
    const finishedHash = this.transcript.digest()
    const server = secret.traffic('server', finishedHash)
    const client = secret.traffic('client', finishedHash)
    const exporter = secret.exporter(finishedHash)
    this.keyLog.add('SERVER_TRAFFIC_SECRET_0', server)
    this.keyLog.add('CLIENT_TRAFFIC_SECRET_0', client)
    this.keyLog.add('EXPORTER_SECRET', exporter)
    return { secret, server, client, exporter }
  }

  /** @param own the traffic secret of the handshake that is ours (RFC 8446 §4.4.4) */
  sendFinished(own: TrafficSecret): void {
    const verifyData = own.verifyData(this.transcript.digest())
    this.send(encodeMessage(HandshakeType.finished, Finished, { verifyData }))
  }

  /** @param peers the traffic secret of the handshake that is the peer's   @throws ProtocolError decrypt_error */
  readFinished(peers: TrafficSecret, side: 'client' | 'server', message: Message): void {
    const { verifyData } = decodeMessage(Finished, message)
    if (!peers.isVerifyData(this.transcript.digest(), verifyData)) {
      throw new ProtocolError('decrypt_error', `the verify_data of the ${side} is wrong`)
    }
    this.transcript.add(message.raw)
  }

  /** The last steps: what only the handshake needed is wiped. The transcript is ClientHello...client Finished. */
  complete(
    handshake: HandshakeSecrets,
    main: MainSecret,
  ): { readonly transcriptHash: Uint8Array; readonly resumption: ResumptionSecret } {
    this.config.plug?.complete()
    const transcriptHash = this.transcript.digest()
    this.transcript.end()
    const resumption = main.resumption(transcriptHash)
    for (const secret of [handshake.server, handshake.client, main]) secret.wipe()
    return { transcriptHash, resumption }
  }
}

/** Handshake Secret, {server,client}_handshake_traffic_secret, and the Handshake Exporter. */
export interface HandshakeSecrets {
  readonly secret: HandshakeSecret
  readonly server: TrafficSecret
  readonly client: TrafficSecret
  readonly exporter: Exporter
}

/** Main Secret, {server,client}_application_traffic_secret_0, and the exporter. */
export interface MainSecrets {
  readonly secret: MainSecret
  readonly server: TrafficSecret
  readonly client: TrafficSecret
  readonly exporter: Exporter
}
