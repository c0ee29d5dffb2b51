import {
  asArray,
  asBytes,
  asInteger,
  asMap,
  asText,
  type CborMap,
  type CoseMessage,
  decodeCbor,
  decodeSign1,
  MessageError,
} from '../../rats/index.js'

/** An attestation document of the Nitro Secure Module (AWS: Nitro Enclaves NSM API, attestation process). */
export interface NitroDocument {
  readonly message: CoseMessage
  /** The enclave: `i-…-enc…`. */
  readonly moduleId: string
  /** Milliseconds since 1970. */
  readonly timestamp: number
  /** 48 bytes each, by index 0 to 31. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>
  /** DER: the certificate of the key that signed the document. */
  readonly certificate: Uint8Array
  /** DER, the root first. */
  readonly caBundle: readonly Uint8Array[]
  /** What the enclave put in; undefined where it put in nothing. */
  readonly publicKey: Uint8Array | undefined
  readonly userData: Uint8Array | undefined
  readonly nonce: Uint8Array | undefined
}

/** Reads a document. Members that are not known are passed over: the module may come to say more.
 *  @throws MessageError unless it is a COSE_Sign1 with the members that AWS names, within their limits */
export function decodeNitroDocument(bytes: Uint8Array): NitroDocument {
  const message = decodeSign1(bytes)
  if (message.tagging === 'cwt') throw malformed('a Nitro document is not a CWT')
  if (message.payload.length > 16_384) throw malformed('the payload has more than 16384 bytes')
  const payload = asMap(decodeCbor(message.payload, 'tolerant'), 'the document')
  if (asText(payload.get('digest'), 'digest') !== 'SHA384') throw malformed('digest is not SHA384')
  return {
    message,
    moduleId: asText(payload.get('module_id'), 'module_id', 1, 256),
    timestamp: asInteger(payload.get('timestamp'), 'timestamp', 1, Number.MAX_SAFE_INTEGER),
    pcrs: pcrsOf(payload),
    certificate: asBytes(payload.get('certificate'), 'certificate', 1, MOST_CERTIFICATE_BYTES),
    caBundle: asArray(payload.get('cabundle'), 'cabundle', 1, 16).map(certificate =>
      asBytes(certificate, 'a certificate of cabundle', 1, MOST_CERTIFICATE_BYTES),
    ),
    publicKey: optionalBytes(payload, 'public_key', 1),
    userData: optionalBytes(payload, 'user_data', 0),
    nonce: optionalBytes(payload, 'nonce', 0),
  }
}

const MOST_CERTIFICATE_BYTES = 1024

function pcrsOf(payload: CborMap): ReadonlyMap<number, Uint8Array> {
  const pcrs = asMap(payload.get('pcrs'), 'pcrs')
  if (pcrs.size < 1 || pcrs.size > 32) throw malformed(`there are ${pcrs.size} PCRs, not 1 to 32`)
  return new Map(
    [...pcrs].map(([index, value]) => [asInteger(index, 'the index of a PCR', 0, 31), asBytes(value, 'a PCR', 48, 48)]),
  )
}

/** A member that the enclave may leave out: the module says so by null, or not at all. */
function optionalBytes(payload: CborMap, name: string, min: number): Uint8Array | undefined {
  const value = payload.get(name)
  return value === undefined || value === null ? undefined : asBytes(value, name, min, 1024)
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
