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
  type CmwRecord,
  Indicator,
} from './cmw.js'
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
