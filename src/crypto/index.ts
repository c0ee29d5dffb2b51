export { AeadKey } from './aead.js'
export { type AeadAlgorithm, aeadAlgorithms, NONCE_LENGTH, TAG_LENGTH } from './aead-algorithm.js'
export { brotliCompression, zlibCompression } from './compression.js'
export { rawEcdsaSignature } from './ecdsa.js'
export { systemEntropy } from './entropy.js'
export { fingerprint, type HashName, hash, hashLength, RunningHash } from './hash.js'
export { equalSecrets, hkdfExtract, MacKey } from './hkdf.js'
export { type CryptoImplementation, cryptoImplementation, nativeHelperFile } from './implementation.js'
export { MaskKey, SAMPLE_LENGTH } from './mask.js'
export { mlKem768, mlKem1024 } from './ml-kem.js'
export {
  answerKeyShare,
  type Entropy,
  generateKeyShare,
  KeyExchangeError,
  type KeyShare,
  NamedGroup,
} from './named-group.js'
export { type Jwk, type KeyKind, PublicKey, type SignatureAlgorithm } from './signature.js'
export { SignatureScheme, schemeRow, schemesFor } from './signature-scheme.js'
export { type SigningKey, signingKey } from './signing-key.js'
export { uninitialized } from './uninitialized.js'
