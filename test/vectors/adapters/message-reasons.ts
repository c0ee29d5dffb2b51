import { type CborValue, Float, MessageError, type MessageErrorCode, Tagged } from '#src/rats/index.js'
import type { Outcome } from '../adapter.js'

/** What came of reading a message; only a MessageError is a rejection, anything else thrown is a fault of ours. */
export function rejection(error: unknown): Outcome {
  if (!(error instanceof MessageError)) throw error
  return { outcome: 'reject', reasons: REASONS[error.code], sentence: error.message }
}

const REASONS: Readonly<Record<MessageErrorCode, readonly string[]>> = {
  ERR_RATS_CBOR: ['malformed'],
  ERR_RATS_JSON: ['malformed'],
  ERR_RATS_MALFORMED: ['malformed'],
  ERR_RATS_PAYLOAD: ['malformed-payload', 'payload'],
  ERR_RATS_CLAIM_MISSING: ['missing-claims', 'mandatory'],
  ERR_RATS_CLAIM: ['claims', 'trust-vector', 'tv_range', 'tv_names', 'status_known'],
  ERR_RATS_ALGORITHM: ['unsupported-alg', 'missing-alg', 'alg'],
  ERR_RATS_CONTENT_TYPE: ['missing-content-type', 'cty'],
  ERR_RATS_SIGNATURE: ['signature', 'sig', 'cose_sig', 'cose_mac', 'platform_sig', 'siglen'],
  ERR_RATS_PROFILE: ['unknown-profile'],
  ERR_RATS_EXPIRED: ['expired', 'not_expired', 'iat_not_future'],
  ERR_RATS_NONCE: ['nonce-mismatch', 'nonce'],
  ERR_RATS_INCONSISTENT: ['status-inconsistent', 'status_not_better_than_vector'],
}

/** A value of a message as JSON: byte strings in hex, keys as text. */
export function factOf(value: CborValue): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value instanceof Float) return value.value
  if (value instanceof Tagged) return factOf(value.value)
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, factOf(item)]))
  if (Array.isArray(value)) return value.map(factOf)
  return value
}
