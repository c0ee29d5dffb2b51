export { isBetterThan, tierOf, tierOfVector, trustworthinessClaims, worstTier } from './ar4si.js'
export { fromAnyBase64, toBase64url } from './base64url.js'
export {
  CborError,
  type CborMap,
  type CborRules,
  type CborValue,
  decodeCbor,
  encodeCbor,
  encodedAt,
  Float,
  Tagged,
} from './cbor.js'
export {
  type Cmw,
  type CmwCollection,
  type CmwForm,
  type CmwRecord,
  cmwFromCbor,
  cmwToCbor,
  contentFormatOfTag,
  decodeCmw,
  encodeCmw,
  formOf,
  Indicator,
  tagNumberOf,
  typeOfCmw,
} from './cmw.js'
export { decodeCmwExtension, encodeCmwExtension, ID_PE_CMW } from './cmw-extension.js'
export type {
  Comid,
  CryptoKey,
  Environment,
  Identifier,
  KeyTriple,
  Measurement,
  MeasurementTriple,
} from './comid.js'
export {
  CORIM_MEDIA_TYPE,
  type Corim,
  type CorimEntity,
  type CorimValidity,
  checkValidity,
  decodeCorim,
} from './corim.js'
export { dotted } from './corim-values.js'
export {
  type CoseCheck,
  CoseHeader,
  type CoseMessage,
  type CoseOptions,
  checkMac0,
  checkSign1,
  decodeMac0,
  decodeSign1,
  isSignedBy,
  mac0From,
  makeMac0,
  makeSign1,
  sign1From,
} from './cose.js'
export { coseKeyOf, publicKeyOfCoseKey } from './cose-key.js'
export {
  checkEar,
  type Ear,
  type EarAppraisal,
  type EarCheck,
  type EarForm,
  earMediaType,
  earProfiles,
  LATEST_EAR_PROFILE,
  makeEar,
  readEar,
} from './ear.js'
export {
  type DebugStatus,
  decodeEatClaims,
  decodeUccs,
  type EatClaims,
  type EatEncoding,
  readEatClaims,
  type Submodule,
} from './eat.js'
export { decodeEatBundle, detachedClaims, type EatBundle } from './eat-bundle.js'
export { decodeJson, encodeJson } from './json.js'
export { checkJws, decodeJws, type JwsMessage, makeJws } from './jws.js'
export {
  type Cab,
  checkKat,
  confirmedKey,
  decodeCab,
  decodeKat,
  isBoundTo,
  KAT_COLLECTION_TYPE,
  KAT_MEDIA_TYPE,
  type Kat,
  makeCab,
  makeKat,
  platformNonceFor,
} from './kat.js'
export {
  canonicalMediaType,
  contentFormatOf,
  contentFormats,
  type MediaType,
  mediaTypeOf,
  parseMediaType,
  sameMediaType,
} from './media-type.js'
export { MessageError, type MessageErrorCode } from './message-error.js'
export { type MessageAlgorithm, type MessageSigner, messageAlgorithms, messageSigner } from './message-signer.js'
export {
  decodeParsecCca,
  decodeParsecTpm,
  isBoundToRealm,
  PARSEC_CCA_MEDIA_TYPE,
  PARSEC_TPM_MEDIA_TYPE,
  type ParsecCca,
  type ParsecTpm,
} from './parsec.js'
export { printable } from './printable.js'
export type * from './roles.js'
export { checkCoseCmw, checkSignedCmw, makeCoseCmw, makeJwsCmw } from './signed-cmw.js'
export { checkSignedCorim, isSignedCorim, makeSignedCorim, readSignedCorim, type SignedCorim } from './signed-corim.js'
export {
  asArray,
  asBigInteger,
  asBoolean,
  asBytes,
  asInteger,
  asMap,
  asTagged,
  asText,
  describeValue,
} from './value.js'
