import {
  type AttestationStatus,
  type ExportedAttestationOptions,
  expatSettings,
  ExportedAttestation as OneConnection,
} from '../attestation/index.js'
import { systemEntropy } from '../crypto/index.js'
import { AuthenticatorExchange, completed, type ExtensionRow, tableWith } from '../handshake/index.js'
import type { FoundedSocket } from './foundation.js'
import { timer } from './timer.js'

/** Exported authenticators (RFC 9261) on the connection of a socket: proof of further credentials, carried by the
 *  application. The same socket gives the same exchange, which sees to it that no certificate_request_context is used twice.
 *  @throws MisuseError before the handshake is complete */
export function exportedAuthenticators(socket: FoundedSocket): AuthenticatorExchange {
  return exchangeOf(socket, [])
}

/** The profile `expat` (draft-fossati-seat-expat-03): attestation by exported authenticators over a connection whose handshake
 *  knew nothing of it. The application carries requests and authenticators, and **sends nothing that it would not tell
 *  everybody before `check` has been fulfilled**: nobody keeps it from doing so, as `hardened` does.
 *  @throws MisuseError before the handshake is complete, and on connections that resume another or rest on a PSK */
export function exportedAttestation(socket: FoundedSocket, options: ExportedAttestationOptions): ExportedAttestation {
  return new ExportedAttestation(socket, options)
}

/** Attestation over one socket, in either direction or both. */
export class ExportedAttestation {
  readonly #socket: FoundedSocket
  readonly #inner: OneConnection

  /** For `exportedAttestation`. */
  constructor(socket: FoundedSocket, options: ExportedAttestationOptions) {
    const settings = expatSettings(options, { now: () => Date.now(), timer })
    this.#socket = socket
    this.#inner = new OneConnection(settings, {
      ...socket.foundation,
      exchange: exchangeOf(socket, settings.rows),
      entropy: systemEntropy,
    })
  }

  /** How attestation stands. */
  get status(): AttestationStatus {
    return this.#inner.status
  }

  /** Asks the peer to attest: once, or as often as one likes, one request at a time.
   *  @returns what to send to the peer   @throws AttestationError, MisuseError */
  async request(): Promise<Buffer> {
    return bufferOf(await completed(this.#inner.request()))
  }

  /** Attests, when a request of the peer has come.
   *  @param request as it came   @param type media type of the Evidence; the first of the Attester's unless given
   *  @returns what to send back   @throws AttestationError, ProtocolError or DecodeError: then `refuse` says so to the peer */
  async answer(request: Uint8Array, type?: string): Promise<Buffer> {
    return bufferOf(await completed(this.#inner.answer(request, type)))
  }

  /** Declines to attest. @returns what to send back */
  refuse(request: Uint8Array): Buffer {
    return bufferOf(this.#inner.refuse(request))
  }

  /** Has the answer to our request appraised. Unless the peer is found good, the connection ends.
   *  @returns how attestation stands   @throws AttestationError, ProtocolError or DecodeError */
  async check(authenticator: Uint8Array): Promise<AttestationStatus> {
    try {
      await completed(this.#inner.check(authenticator))
      return this.status
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }
}

/** By socket, and by the extensions that they know besides those of the engine. */
const exchanges = new WeakMap<FoundedSocket, Map<string, AuthenticatorExchange>>()

function exchangeOf(socket: FoundedSocket, rows: readonly ExtensionRow[]): AuthenticatorExchange {
  const known = exchanges.get(socket) ?? new Map<string, AuthenticatorExchange>()
  exchanges.set(socket, known)
  const name = rows.map(({ type }) => type).join()
  const { side, established } = socket.foundation
  const exchange =
    known.get(name) ??
    new AuthenticatorExchange({
      side,
      established,
      table: tableWith({ extensions: rows }),
      maxCertificateLength: MAX_CERTIFICATE_LENGTH,
    })
  known.set(name, exchange)
  return exchange
}
/** Evidence stands in it. */
const MAX_CERTIFICATE_LENGTH = 2 ** 18

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}
