import { type Codec, decode, encode, fixed, struct, uint32, vector } from '../../bytes/index.js'
import { type Cmw, Indicator } from '../../rats/index.js'
import { AttestationError } from '../errors.js'
import type { OpenedEvidence } from '../profile.js'
import { type BatchPath, challengeByPath } from './batch.js'

/*
 * Evidence that one of many connections is covered by, as it is sent:
 *
 *   { "__cmwc_t": "tag:attested-tls.dev,2026:batch",
 *     "evidence": the Evidence, over the challenge of the batch,
 *     "path":     [application/vnd.attested-tls.batch-path, uint32 size || uint32 index || opaque siblings<0..1024>] }
 */

/** What the labels of such a collection mean. */
export const BATCH_COLLECTION = 'tag:attested-tls.dev,2026:batch'
const PATH_TYPE = 'application/vnd.attested-tls.batch-path'

const Path: Codec<BatchPath> = struct({
  size: uint32,
  index: uint32,
  siblings: vector(fixed(64), 0, 16 * 64),
})

/** The message for one member of a batch. */
export function batchMessage(evidence: Cmw, path: BatchPath): Cmw {
  const entries = new Map<string, Cmw>([
    ['evidence', evidence],
    ['path', { kind: 'record', type: PATH_TYPE, value: encode(Path, path) }],
  ])
  return { kind: 'collection', type: BATCH_COLLECTION, entries }
}

/** Evidence as it came, and what it has to hold: `reportData`, or the challenge of a batch that it is a member of.
 *  @param reportData 64 bytes   @param length how many bytes of it the type has room for; all unless given
 *  @throws AttestationError if what calls itself a batch is none */
export function openEvidence(message: Cmw, reportData: Uint8Array, length: number | undefined): OpenedEvidence {
  const cut = (challenge: Uint8Array) => challenge.subarray(0, length ?? challenge.length)
  if (message.kind !== 'collection' || message.type !== BATCH_COLLECTION) {
    return { evidence: message, challenge: cut(reportData) }
  }
  const { evidence, path } = Object.fromEntries(message.entries)
  if (!evidence || path?.kind !== 'record' || path.type !== PATH_TYPE || message.entries.size !== 2) {
    throw malformed('a batch is one piece of Evidence and one path')
  }
  if (path.indicators !== undefined && (path.indicators & Indicator.evidence) === 0) {
    throw malformed('the path of a batch is part of Evidence')
  }
  const challenge = challengeByPath(reportData, decodePath(path.value))
  if (!challenge) throw malformed('the path of a batch leads nowhere')
  return { evidence, challenge: cut(challenge) }
}

function decodePath(bytes: Uint8Array): BatchPath {
  try {
    return decode(Path, bytes)
  } catch (cause) {
    throw malformed('the path of a batch cannot be read', cause)
  }
}

function malformed(sentence: string, cause?: unknown): AttestationError {
  return new AttestationError('ERR_ATTESTATION_MALFORMED', 'bad_certificate', sentence, { cause })
}
