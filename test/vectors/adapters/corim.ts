import { hex } from '#src/bytes/index.js'
import { hash } from '#src/crypto/index.js'
import { type CorimTrust, contentsOfCorim, openCorim, PlatformRoots } from '#src/evidence/index.js'
import {
  asBytes,
  type CborValue,
  CoseHeader,
  decodeCbor,
  decodeCorim,
  Float,
  MessageError,
  readSignedCorim,
  Tagged,
} from '#src/rats/index.js'
import { CertificateError } from '#src/x509/index.js'
import { type Facts, fileOf, type Outcome, type VectorCase } from '../adapter.js'
import { chainReasons } from '../chain-reasons.js'
import { keyFrom } from './keys.js'
import { rejection } from './message-reasons.js'

/** CoRIMs: a signed one with the key or the root of its signer, or a set of unsigned ones of some profile. */
export function corim(vector: VectorCase): Outcome {
  return vector.files.has('corim') ? signed(vector) : unsignedSet(vector)
}

function signed(vector: VectorCase): Outcome {
  const bytes = fileOf(vector, 'corim')
  const key = vector.files.get('signer_pub')
  const root = vector.files.get('root')
  try {
    const trust: CorimTrust = {
      at: vector.at ?? Number.NaN,
      ...(key && { keys: [keyFrom(key)] }),
      ...(root && { roots: new PlatformRoots([root]) }),
    }
    const { id, tags } = openCorim(bytes, trust)
    // What is in the file besides, unsigned, has to be the same manifest.
    const unsigned = vector.files.get('unsigned')
    if (unsigned) decodeCorim(unsigned)
    return { outcome: 'accept', facts: { ...headerFacts(bytes), corim_id: id, tag_count: tags.length, tags } }
  } catch (error) {
    // A root that cannot be read is not one that is trusted.
    if (error instanceof CertificateError) {
      const reasons =
        error.code === 'ERR_X509_SIGNATURE' || error.code === 'ERR_X509_MALFORMED' ? ['untrusted-root'] : []
      return { outcome: 'reject', reasons: [...reasons, ...chainReasons(error.code)], sentence: error.message }
    }
    return withOwnNames(rejection(error))
  }
}

/** What the vectors call two of the checks here, besides what they are called elsewhere. */
function withOwnNames(outcome: Outcome): Outcome {
  if (outcome.outcome !== 'reject') return outcome
  const own = outcome.reasons.flatMap(reason => OWN_NAMES[reason] ?? [])
  return { ...outcome, reasons: [...outcome.reasons, ...own] }
}

const OWN_NAMES: Readonly<Record<string, readonly string[]>> = {
  expired: ['not-yet-valid', 'signature_validity'],
  'missing-content-type': ['content_type', 'content-type'],
}

function headerFacts(bytes: Uint8Array): Facts {
  const { message, contentType, chain } = readSignedCorim(bytes)
  const { protectedHeader, payload } = message
  const keyId = protectedHeader.get(CoseHeader.keyId)
  const meta = protectedHeader.get(META)
  return {
    content_type: contentType,
    alg: protectedHeader.get(CoseHeader.algorithm),
    kid: keyId instanceof Uint8Array ? hex(keyId) : null,
    meta: meta === undefined ? null : factOf(decodeCbor(asBytes(meta, 'corim-meta'), 'tolerant')),
    x5chain: chain.length > 0,
    payload_sha256: hex(hash('sha256', payload)),
  }
}

const META = 8

/** A value as the vectors write it: times as Python does. */
function factOf(value: CborValue): unknown {
  if (value instanceof Uint8Array) return hex(value)
  if (value instanceof Float) return value.value
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, factOf(item)]))
  if (Array.isArray(value)) return value.map(factOf)
  if (value instanceof Tagged) {
    if (value.tag !== 1) return { tag: value.tag, value: factOf(value.value) }
    return new Date(Number(value.value) * 1000).toISOString().replace('T', ' ').replace('.000Z', '+00:00')
  }
  return value
}

/** Whether each manifest says what its profile allows. */
function unsignedSet({ files }: VectorCase): Outcome {
  const verdicts = [...files].map(([name, bytes]) => [`${name.replaceAll('_', '-')}.cbor`, verdictOn(bytes)])
  return { outcome: 'accept', facts: { verdict: Object.fromEntries(verdicts) } }
}

function verdictOn(bytes: Uint8Array): 'valid' | 'invalid' {
  try {
    contentsOfCorim(openCorim(bytes, { at: 0, dangerouslyAllowUnsigned: true }))
    return 'valid'
  } catch (error) {
    if (error instanceof MessageError) return 'invalid'
    throw error
  }
}
