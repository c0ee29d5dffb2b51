/** A conceptual message in its wrapper (RFC 9999), whatever the encoding: one message, or a collection of them. */
export type Cmw = CmwRecord | CmwCollection

/** One message with its type (RFC 9999 §3.1). In CBOR the tag form (RFC 9999 §3.2) says the same. */
export interface CmwRecord {
  readonly kind: 'record'
  /** A media type with its parameters, or the CoAP Content-Format that stands for it. */
  readonly type: string | number
  /** The message, never empty. */
  readonly value: Uint8Array
  /** What the message is for: a sum of `Indicator` bits, never 0; undefined where its type says it. */
  readonly indicators?: number
}

/** Messages with labels (RFC 9999 §3.3). */
export interface CmwCollection {
  readonly kind: 'collection'
  /** What the labels mean (`__cmwc_t`): an absolute URI or an OID in dotted decimal. */
  readonly type?: string
  /** At least one. Labels that are numbers can be told in CBOR only. */
  readonly entries: ReadonlyMap<number | string, Cmw>
}

/** What a record's message is for (RFC 9999 §9.2: CMW Indicators). */
export const Indicator = {
  referenceValues: 1,
  endorsements: 2,
  evidence: 4,
  attestationResults: 8,
  appraisalPolicy: 16,
} as const
