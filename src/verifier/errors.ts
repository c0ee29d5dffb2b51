import type { AttestationResult, ProblemCode } from '../rats/index.js'
import { sentence } from './report.js'

/** Evidence, or Attestation Results, that were looked into and are not good enough. */
export class Refused extends Error {
  readonly code = 'ERR_APPRAISAL_REFUSED'
  readonly result: AttestationResult

  constructor(sentence: string, result: AttestationResult) {
    super(sentence)
    this.name = 'Refused'
    this.result = result
  }
}

/** Evidence that nobody could look into: it says nothing about the peer, unless that it sends what cannot be read. */
export class NotAppraised extends Error {
  readonly code: ProblemCode
  readonly result: AttestationResult

  constructor(sentence: string, code: ProblemCode, result: AttestationResult) {
    super(sentence)
    this.name = 'NotAppraised'
    this.code = code
    this.result = result
  }
}

/** What an unfavourable result is as an error, for callers that throw: `Refused` where the peer was looked into,
 *  `NotAppraised` where it could not be; null where the result is favourable. */
export function errorOf(result: AttestationResult): Refused | NotAppraised | null {
  if (result.isAccepted) return null
  const { problemCode } = result
  return problemCode === undefined
    ? new Refused(sentence(result), result)
    : new NotAppraised(sentence(result), problemCode, result)
}
