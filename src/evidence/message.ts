import { type Cmw, type CmwRecord, MessageError } from '../rats/index.js'
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
