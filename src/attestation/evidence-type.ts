import {
  Reader as BodyReader,
  type Codec,
  concat,
  DecodeError,
  hex,
  opaque,
  type Reader,
  uint8,
  uint16,
  utf8,
  type Writer,
} from '../bytes/index.js'

/** What authenticates the attester, as the wire says it: Evidence alone, or beside an X.509 chain. */
export const CredentialKind = { ATTESTATION: 0, CERT_ATTESTATION: 1 } as const
export type CredentialKind = (typeof CredentialKind)[keyof typeof CredentialKind]

const TypeEncoding = { CONTENT_FORMAT: 0, MEDIA_TYPE: 1 } as const

/** A type of Evidence and the kind of credential that it comes in. */
export interface EvidenceType {
  readonly credentialKind: CredentialKind
  /** A media type (RFC 6838), parameters included, or a CoAP Content-Format. */
  readonly type: string | number
}

/*
 * struct {
 *     credentialKind credential_kind;
 *     typeEncoding   type_encoding;
 *     select (type_encoding) {
 *         case CONTENT_FORMAT: uint16 content_format;
 *         case MEDIA_TYPE:     opaque media_type<0..2^16-1>;
 *     };
 * } EvidenceType;
 */
export const EvidenceType: Codec<EvidenceType> = {
  read(r) {
    const credentialKind = uint8.read(r)
    const type = readType(r, uint8.read(r))
    if (!isCredentialKind(credentialKind)) {
      throw new DecodeError(`credential_kind ${credentialKind} is not known`)
    }
    if (type === undefined) throw new DecodeError('type_encoding is not known')
    return { credentialKind, type }
  },
  write: writeEvidenceType,
}

/** `EvidenceType supported_evidence_types<1..2^8-1>`: what a client offers, in order of preference. Values that this
 *  version does not know are passed over, so that later ones can be added: an entry with an unknown credential_kind,
 *  and all from an unknown type_encoding on, because nothing says how long such an entry is. */
export const EvidenceTypes: Codec<readonly EvidenceType[]> = {
  read(r) {
    const body = list.read(r)
    const reader = new BodyReader(body)
    const types: EvidenceType[] = []
    const seen = new Set<string>()
    while (!reader.isAtEnd) {
      const start = body.length - reader.remaining
      const credentialKind = uint8.read(reader)
      const type = readType(reader, uint8.read(reader))
      if (type === undefined) break
      const entry = hex(body.subarray(start, body.length - reader.remaining))
      if (seen.has(entry)) throw new DecodeError('an Evidence type is listed twice')
      seen.add(entry)
      if (isCredentialKind(credentialKind)) types.push({ credentialKind, type })
    }
    return types
  },
  write(w, types) {
    list.write(w, concat(...types.map(encodeEvidenceType)))
  },
}
const list = opaque(1, 255)

/** How many bytes of a list an entry takes. */
export function evidenceTypeLength({ type }: EvidenceType): number {
  return typeof type === 'number' ? 4 : 4 + utf8(type).length
}

/** Whether two entries are the same on the wire. */
export function isSameEntry(a: EvidenceType, b: EvidenceType): boolean {
  return a.credentialKind === b.credentialKind && a.type === b.type
}

function encodeEvidenceType({ credentialKind, type }: EvidenceType): Uint8Array {
  if (typeof type === 'number') {
    return Uint8Array.of(credentialKind, TypeEncoding.CONTENT_FORMAT, type >>> 8, type & 0xff)
  }
  const text = utf8(type)
  return concat(Uint8Array.of(credentialKind, TypeEncoding.MEDIA_TYPE, text.length >>> 8, text.length & 0xff), text)
}

function writeEvidenceType(w: Writer, value: EvidenceType): void {
  w.bytes(encodeEvidenceType(value))
}

/** @returns undefined for an encoding that is not known */
function readType(r: Reader, encoding: number): string | number | undefined {
  if (encoding === TypeEncoding.CONTENT_FORMAT) return uint16.read(r)
  if (encoding !== TypeEncoding.MEDIA_TYPE) return undefined
  let text = ''
  for (const byte of mediaType.read(r)) {
    if (byte < 0x20 || byte > 0x7e) throw new DecodeError('a media type is printable ASCII')
    text += String.fromCharCode(byte)
  }
  if (text === '') throw new DecodeError('a media type is empty')
  return text
}
const mediaType = opaque(0, 0xffff)

function isCredentialKind(value: number): value is CredentialKind {
  return value === CredentialKind.ATTESTATION || value === CredentialKind.CERT_ATTESTATION
}
