export {
  AttestationError,
  type AttestationOptions,
  type AttestationStatus,
  type BindingLevel,
} from '../attestation/index.js'
export { type SigningKey, signingKey } from '../crypto/index.js'
export { AlertDescription, AlertReceived, alertName, MisuseError, ProtocolError } from '../handshake/index.js'
export { ConnectionEnded } from '../tls/index.js'
export { CertificateError } from '../x509/index.js'
export { AttestedAgent, type AttestedAgentOptions } from './agent.js'
export {
  type AmdCollateralOptions,
  amdCollateral,
  collateralFolder,
  type IntelCollateralOptions,
  intelCollateral,
} from './collateral.js'
export { connect } from './connect.js'
export { ConnectionReset, HandshakeTimeout } from './errors.js'
export { ExportedAttestation, exportedAttestation, exportedAuthenticators } from './exported-attestation.js'
export type { Foundation, FoundedSocket } from './foundation.js'
export { AttestedHttpsServer, attestedSocketOf, createHttpsServer, type HttpsServerOptions } from './https-server.js'
export type {
  CommonOptions,
  ConnectOptions,
  PemOrDer,
  PrivateKeyOption,
  SecureContextOptions,
  ServerOptions,
} from './options.js'
export { createSecureContext, SecureContext } from './secure-context.js'
export { AttestedServer, createServer } from './server.js'
export { AttestedSocket } from './socket.js'
export { createPresenter, createVerifier, type VerifierOptions } from './verifier.js'
