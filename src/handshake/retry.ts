import { EMPTY } from '../bytes/index.js'
import type { Suite } from './cipher-suite.js'
import { type ExtensionValue, extensionValue } from './extension-table.js'
import * as ext from './extensions.js'
import { encodeMessage, HandshakeType, HELLO_RETRY_REQUEST_RANDOM, ServerHello } from './messages.js'
import type { Protocol } from './protocol.js'

/** What a HelloRetryRequest says (RFC 8446 §4.1.4). */
export interface RetryRequest {
  readonly suite: Suite
  /** The group that a key share is asked for; undefined if there was one already. */
  readonly group: number | undefined
  readonly cookie: Uint8Array | undefined
}

/** A HelloRetryRequest of which the server has kept nothing: its cookie came back, and said this. */
export interface SentRetry extends RetryRequest {
  /** Hash of ClientHello1. Hash.length bytes */
  readonly helloHash: Uint8Array
  /** Of what stays the same in ClientHello2. 32 bytes */
  readonly constantHash: Uint8Array
}

/** A ClientHello to a server that keeps nothing: `cookie` is the one that it brings, if it is the second. */
export type StatelessHello = SentRetry

/** The bytes of a HelloRetryRequest: the same for the same values, so that they need not be kept. */
export function retryRequest(
  protocol: Protocol,
  { suite, group, cookie }: RetryRequest,
  legacySessionIdEcho: Uint8Array = EMPTY,
): Uint8Array {
  const extensions: ExtensionValue[] = [extensionValue(ext.supportedVersions.hello_retry_request, protocol.version)]
  if (group !== undefined) extensions.push(extensionValue(ext.keyShare.hello_retry_request, group))
  if (cookie) extensions.push(extensionValue(ext.cookie.hello_retry_request, cookie))
  return encodeMessage(HandshakeType.server_hello, ServerHello, {
    legacyVersion: protocol.legacyVersion,
    random: HELLO_RETRY_REQUEST_RANDOM,
    legacySessionIdEcho,
    cipherSuite: suite.id,
    legacyCompressionMethod: 0,
    extensions,
  })
}
