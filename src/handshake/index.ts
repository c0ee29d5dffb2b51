export {
  AlertDescription,
  type AlertName,
  AlertReceived,
  alertFor,
  alertName,
  MisuseError,
  ProtocolError,
} from './alert.js'
export type { Carrier, Direction, Epoch } from './carrier.js'
export type { CertificateCompression } from './certificate-compression.js'
export { CipherSuite, type Suite, suiteOf } from './cipher-suite.js'
export { clientHandshake } from './client.js'
export type {
  ClientConfig,
  CommonConfig,
  CredentialQuery,
  CredentialSource,
  ExternalPsk,
  PeerCheck,
  ServerConfig,
} from './config.js'
export { AlertLevel, Connection, type RoleAndConfig } from './connection.js'
export { ConnectionEnded, type ConnectionEvent } from './connection-event.js'
export { ControlChannel } from './control-channel.js'
export type {
  Authentication,
  AuthenticationEntry,
  Credential,
  CredentialEntry,
  PeerIdentity,
} from './credential.js'
export { defaultCertificateSchemes, defaultCipherSuites, defaultGroups, defaultSignatureSchemes } from './defaults.js'
export {
  type EarlyDataPolicy,
  type EarlyDataStatus,
  type EarlyDataUse,
  ReplayGuard,
} from './early-data.js'
export type { Established } from './established.js'
export {
  AuthenticatorExchange,
  type AuthenticatorRequest,
  authenticatorContext,
  type ReceivedAuthenticator,
} from './exported-authenticator.js'
export {
  type ExtensionRow,
  Extensions,
  ExtensionTable,
  type ExtensionValue,
  extension,
  extensionValue,
  type Place,
  type Slot,
} from './extension-table.js'
export { CertificateType, clientCertificateType, serverCertificateType, statusRequest } from './extensions.js'
export { type ImportablePsk, importedPsks } from './imported-psk.js'
export { KeyLog } from './key-log.js'
export { EarlySecret, Exporter, HandshakeSecret, type LabelPrefix, MainSecret, TrafficSecret } from './key-schedule.js'
export { completed, Machine, receive, receiveBefore, type Step, until, type Wait } from './machine.js'
export {
  Certificate,
  ClientHello,
  decodeMessage,
  EncryptedExtensions,
  encodeMessage,
  HandshakeType,
  HELLO_RETRY_REQUEST_RANDOM,
  KeyUpdate,
  type Message,
  MessageAssembler,
  messageLimit,
  messageName,
  type RawExtension,
} from './messages.js'
export { makeTickets, readTicket } from './new-session-ticket.js'
export { type PeerCheckOptions, peerCheck } from './peer-check.js'
export type {
  Authenticator,
  ControlSession,
  EarlyView,
  Plug,
  PlugAnswer,
  PlugControl,
  PlugOffer,
  View,
} from './plug.js'
export { dtls13, type Protocol, tls13 } from './protocol.js'
export { type RetryRequest, retryRequest, type SentRetry, type StatelessHello } from './retry.js'
export { readStatelessHello, serverHandshake } from './server.js'
export { decodeSession, encodeSession, type Session, type TicketState } from './session.js'
export { tableWith } from './table.js'
export { TICKET_KEY_LENGTH, TicketIssuer } from './ticket.js'
