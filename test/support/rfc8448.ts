import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './skip.js'

type Values<K extends string> = Readonly<Record<K, Uint8Array>>

const file = JSON.parse(readFileSync(join(repositoryRoot, 'test/vectors/rfc8448.json'), 'utf8'))

/** RFC 8448 §3: a handshake with X25519, TLS_AES_128_GCM_SHA256 and an RSA certificate. */
export const simple: Values<
  | 'clientPrivateKey'
  | 'serverPublicKey'
  | 'clientHello'
  | 'serverHello'
  | 'encryptedExtensions'
  | 'certificate'
  | 'certificateVerify'
  | 'serverFinished'
  | 'clientFinished'
  | 'newSessionTicket'
  | 'sharedSecret'
  | 'clientHandshakeTraffic'
  | 'serverHandshakeTraffic'
  | 'serverHandshakeKey'
  | 'serverHandshakeIv'
  | 'clientApplicationTraffic'
  | 'serverApplicationTraffic'
  | 'exporter'
  | 'psk'
  | 'serverFlightRecord'
  | 'clientFinishedRecord'
  | 'newSessionTicketRecord'
  | 'clientDataRecord'
  | 'serverDataRecord'
  | 'clientAlertRecord'
  | 'serverAlertRecord'
> = bytesOf(file.simple)

/** RFC 8448 §4: the ClientHello of a resumption with early data, up to its binders. */
export const resumed: Values<'clientHelloPrefix' | 'binder' | 'clientEarlyTraffic' | 'earlyExporter'> = bytesOf(
  file.resumed,
)

/** RFC 8448 §5: the hellos of a handshake with HelloRetryRequest. */
export const retried: Values<
  | 'clientHello1'
  | 'helloRetryRequest'
  | 'clientHello2'
  | 'serverHello'
  | 'sharedSecret'
  | 'helloHash'
  | 'clientHandshakeTraffic'
  | 'serverHandshakeTraffic'
> = bytesOf(file.retried)

function bytesOf<K extends string>(section: Record<K, string>): Values<K> {
  const entries = Object.entries<string>(section).map(([name, text]) => [
    name,
    Uint8Array.from(Buffer.from(text, 'hex')),
  ])
  // The keys are those of the section, name by name.
  return Object.fromEntries(entries) as Values<K>
}
