import { EMPTY, encode, equalBytes, uint16 } from '../bytes/index.js'
import { hash } from '../crypto/index.js'
import { ProtocolError } from './alert.js'
import type { Extensions, ExtensionTable } from './extension-table.js'
import * as ext from './extensions.js'
import { type ClientHello, decodeMessage, type Message } from './messages.js'
import type { Protocol } from './protocol.js'

/** A ClientHello as it was received. */
export interface Offer {
  readonly message: Message
  readonly hello: ClientHello
  readonly extensions: Extensions
}

/** @throws ProtocolError if it is not for us, or not as RFC 8446 §4.1.2 wants it */
export function readClientHello(table: ExtensionTable, protocol: Protocol, message: Message): Offer {
  const hello = decodeMessage(protocol.clientHello, message)
  const versions = hello.extensions.find(({ type }) => type === ext.supportedVersions.row.type)
  if (!versions) throw new ProtocolError('protocol_version', `the client does not speak ${protocol.name}`)
  const extensions = table.readOffer('client_hello', hello.extensions)
  if (!extensions.need(ext.supportedVersions.client_hello).includes(protocol.version)) {
    throw new ProtocolError('protocol_version', `the client does not speak ${protocol.name}`)
  }
  if (hello.legacyCompressionMethods.length !== 1 || hello.legacyCompressionMethods[0] !== 0) {
    throw new ProtocolError('illegal_parameter', 'client_hello offers compression')
  }
  if (extensions.has(ext.preSharedKey.client_hello)) checkPskExtensions(extensions)
  const limit = extensions.get(ext.recordSizeLimit.client_hello)
  if (limit !== undefined && limit < 64) {
    throw new ProtocolError('illegal_parameter', 'a record_size_limit below 64 is not allowed')
  }
  return { message, hello, extensions }
}

/** RFC 8446 §4.2.11. */
function checkPskExtensions(extensions: Extensions): void {
  extensions.need(ext.pskKeyExchangeModes.client_hello)
  if (extensions.types.at(-1) !== ext.preSharedKey.row.type) {
    throw new ProtocolError('illegal_parameter', 'pre_shared_key is not the last extension')
  }
  const { identities, binders } = extensions.need(ext.preSharedKey.client_hello)
  if (identities.length !== binders.length) {
    throw new ProtocolError('illegal_parameter', 'there are not as many PSK binders as identities')
  }
}

/** A hash of all that a second ClientHello must not change (RFC 8446 §4.1.2). SHA-256, 32 bytes */
export function constantHash(offer: Offer): Uint8Array {
  const { legacyVersion, random, legacySessionId, cipherSuites } = offer.hello
  const fields = [legacyVersion, ...cipherSuites, legacySessionId.length].map(number => encode(uint16, number))
  const extensions = [...comparable(offer)]
    .sort(([a], [b]) => a - b)
    .flatMap(([type, data]) => [encode(uint16, type), encode(uint16, data.length), data])
  return hash('sha256', ...fields, random, legacySessionId, ...extensions)
}

/** RFC 8446 §4.1.2: what a second ClientHello may change, and nothing else. */
export function checkSecondHello(first: Offer, second: Offer): void {
  const before = comparable(first)
  const after = comparable(second)
  const isSame =
    first.hello.legacyVersion === second.hello.legacyVersion &&
    equalBytes(first.hello.random, second.hello.random) &&
    equalBytes(first.hello.legacySessionId, second.hello.legacySessionId) &&
    first.hello.cipherSuites.join() === second.hello.cipherSuites.join() &&
    before.size === after.size &&
    [...before].every(([type, data]) => equalBytes(data, after.get(type) ?? EMPTY) && after.has(type))
  if (!isSame) {
    throw new ProtocolError('illegal_parameter', 'the second client_hello changes what the first one said')
  }
  if (!first.extensions.has(ext.preSharedKey.client_hello) && second.extensions.has(ext.preSharedKey.client_hello)) {
    throw new ProtocolError('illegal_parameter', 'the second client_hello offers PSKs, the first one did not')
  }
  // RFC 8446 §4.2.10: early data is not sent after a HelloRetryRequest.
  if (second.extensions.has(ext.earlyData.client_hello)) {
    throw new ProtocolError('illegal_parameter', 'the second client_hello announces early data')
  }
}

/** Whether an extension is the same in both, or in neither. */
export function isSameExtension(first: Offer, second: Offer, type: number): boolean {
  const [before, after] = [first, second].map(({ hello }) => hello.extensions.find(found => found.type === type)?.data)
  return before === undefined || after === undefined ? before === after : equalBytes(before, after)
}

const MAY_CHANGE: ReadonlySet<number> = new Set([
  ext.keyShare.row.type,
  ext.earlyData.row.type,
  ext.cookie.row.type,
  ext.preSharedKey.row.type,
  21, // padding (RFC 7685)
])

function comparable({ hello }: Offer): ReadonlyMap<number, Uint8Array> {
  return new Map(hello.extensions.filter(({ type }) => !MAY_CHANGE.has(type)).map(({ type, data }) => [type, data]))
}
