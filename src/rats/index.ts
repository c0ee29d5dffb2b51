export { isBetterThan, tierOf, tierOfVector, trustworthinessClaims, worstTier } from './ar4si.js'
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
export { decodeJson, encodeJson } from './json.js'
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
export type * from './roles.js'
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
