import { DecodeError } from '../bytes/index.js'
import { KeyExchangeError } from '../crypto/index.js'
import { CertificateError } from '../x509/index.js'

/** AlertDescription (RFC 8446 §6). */
export const AlertDescription = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  inappropriate_fallback: 86,
  user_canceled: 90,
  missing_extension: 109,
  unsupported_extension: 110,
  unrecognized_name: 112,
  bad_certificate_status_response: 113,
  unknown_psk_identity: 115,
  certificate_required: 116,
  no_application_protocol: 120,
} as const
export type AlertName = keyof typeof AlertDescription

/** The name of an alert; `alert_<number>` for one that RFC 8446 does not list. */
export function alertName(alert: number): string {
  return NAMES.get(alert) ?? `alert_${alert}`
}
const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(AlertDescription).map(([name, n]) => [n, name]))

/** The peer broke the protocol, or asked for what we do not do: our alert to it. */
export class ProtocolError extends Error {
  override readonly name: string = 'ProtocolError'
  readonly code: string
  /** AlertDescription, as sent to the peer. */
  readonly alert: number

  /** @param alert by name, or by number where a plug defines one */
  constructor(
    alert: AlertName | number,
    message: string,
    options?: { readonly code?: string; readonly cause?: unknown },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.alert = typeof alert === 'number' ? alert : AlertDescription[alert]
    this.code = options?.code ?? `ERR_TLS_${alertName(this.alert).toUpperCase()}`
  }
}

/** The peer closed the connection with a fatal alert: its complaint about us. */
export class AlertReceived extends Error {
  override readonly name: string = 'AlertReceived'
  readonly code: string
  readonly alert: number

  /** @param name where RFC 8446 has none for it   @param complaint what the peer means, and what can be done */
  constructor(alert: number, name = alertName(alert), complaint = COMPLAINTS.get(name)) {
    super(`the peer refused the connection: ${name}${complaint === undefined ? '' : `; ${complaint}`}`)
    this.alert = alert
    this.code = `ERR_TLS_ALERT_${name.toUpperCase()}`
  }
}

const BROKEN = 'it finds a message of ours wrong; its log says which, and one of the two sides wants an update'
/** What the peer means by an alert, and what its receiver can do (RFC 8446 §6.2). */
const COMPLAINTS: ReadonlyMap<string, string> = new Map<AlertName, string>([
  ['unexpected_message', BROKEN],
  ['bad_record_mac', BROKEN],
  ['record_overflow', BROKEN],
  ['illegal_parameter', BROKEN],
  ['decode_error', BROKEN],
  ['decrypt_error', BROKEN],
  ['missing_extension', 'it insists on a feature that we do not offer; its log says which'],
  ['unsupported_extension', BROKEN],
  ['handshake_failure', 'there is nothing that both sides can do: compare cipher suites, groups and signature schemes'],
  ['insufficient_security', 'it asks for stronger cipher suites, groups or signature schemes than ours'],
  ['bad_certificate', 'it does not accept our certificate: is it for the name by which we are known there?'],
  ['unsupported_certificate', 'it cannot use a certificate of that kind: look at its key and its extended key usage'],
  ['certificate_revoked', 'our certificate has been revoked'],
  ['certificate_expired', 'by its clock our certificate is not valid: renew it, or set the clock'],
  ['certificate_unknown', 'it does not accept our certificate; its log says why'],
  ['unknown_ca', 'it does not trust the issuer of our certificate, or we do not send the intermediates'],
  ['certificate_required', 'it wants a certificate of ours: give `cert` and `key`'],
  ['access_denied', 'it knows who we are, and does not let us in; its log says why'],
  ['protocol_version', 'it does not speak TLS 1.3, or speaks something else on this port'],
  ['internal_error', 'something failed on its side; its log says what'],
  ['unrecognized_name', 'it does not serve the name that was asked for'],
  ['unknown_psk_identity', 'it does not know the key that was offered'],
  ['no_application_protocol', 'it has none of the application protocols that were offered'],
])

/** Our caller asked for something that cannot be done or would not be safe. */
export class MisuseError extends Error {
  override readonly name: string = 'MisuseError'
  readonly code: string

  constructor(message: string, code = 'ERR_TLS_MISUSE') {
    super(message)
    this.code = code
  }
}

/** The alert that an error is answered with. This is the one place that maps errors to alerts. */
export function alertFor(error: unknown): number {
  if (error instanceof ProtocolError) return error.alert
  if (error instanceof DecodeError) return AlertDescription.decode_error
  if (error instanceof KeyExchangeError) return AlertDescription.illegal_parameter
  if (error instanceof CertificateError) return AlertDescription[error.reason]
  return AlertDescription.internal_error
}
