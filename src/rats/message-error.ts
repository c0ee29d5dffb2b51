/** What is wrong with a message, for programs: stable, unlike the sentences. */
export type MessageErrorCode =
  /** It is not CBOR, or not in the serialisation asked for. */
  | 'ERR_RATS_CBOR'
  /** It is not JSON, or names a member twice. */
  | 'ERR_RATS_JSON'
  /** It is CBOR or JSON, but has not the form of the message. */
  | 'ERR_RATS_MALFORMED'
  /** The content of a signed message has not the form that its type says. */
  | 'ERR_RATS_PAYLOAD'
  /** A claim that has to be there is absent. */
  | 'ERR_RATS_CLAIM_MISSING'
  /** A claim is there with a value that it cannot have. */
  | 'ERR_RATS_CLAIM'
  /** The message is signed with an algorithm that is not on the list, or says no algorithm. */
  | 'ERR_RATS_ALGORITHM'
  /** The protected header does not say what the content is, or says something else. */
  | 'ERR_RATS_CONTENT_TYPE'
  /** The signature was not made over this message with the key at hand. */
  | 'ERR_RATS_SIGNATURE'
  /** The message is of a profile that is not known here. */
  | 'ERR_RATS_PROFILE'
  /** The message does not hold any more, or not yet. */
  | 'ERR_RATS_EXPIRED'
  /** The message holds another nonce than it was asked for with, or none. */
  | 'ERR_RATS_NONCE'
  /** The message says one thing here and another there. */
  | 'ERR_RATS_INCONSISTENT'

/** A conceptual message (RFC 9334 §8) that has not the form of its kind, or does not hold. */
export class MessageError extends Error {
  readonly code: MessageErrorCode

  constructor(code: MessageErrorCode, sentence: string) {
    super(sentence)
    this.name = 'MessageError'
    this.code = code
  }
}
