import { type CborMap, type Cmw, type CmwRecord, encodeCbor, MessageError } from '../rats/index.js'
import { MalformedEvidence } from './format.js'

/** The one record that Evidence of most formats is.
 *  @param what for the sentence: `the quote`
 *  @throws MalformedEvidence if it is a collection */
export function recordOf(message: Cmw, what: string): CmwRecord {
  if (message.kind === 'record') return message
  throw new MalformedEvidence(`${what} is not a collection`)
}

/** Runs what reads Evidence, and makes what it complains of the Evidence's fault.
 *  @throws MalformedEvidence where `read` throws a MessageError */
export function wellFormed<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof MessageError) throw new MalformedEvidence(error.message, { cause: error })
    throw error
  }
}

/** The payload of a token that we make ourselves: it has to be one that we would read.
 *  @param decode reads such payloads   @param who for the sentence: `a PSA platform`   @throws RangeError */
export function claimsPayload(claims: CborMap, decode: (payload: Uint8Array) => unknown, who: string): Uint8Array {
  const payload = encodeCbor(claims)
  try {
    decode(payload)
  } catch (error) {
    throw new RangeError(`${who} cannot say that about itself`, { cause: error })
  }
  return payload
}
