import type { PublicKey } from '../crypto/index.js'
import { type CborMap, type CborValue, decodeCbor, encodeCbor, Tagged } from './cbor.js'
import { type Corim, type CorimValidity, checkValidity, decodeCorim, sameValidity, validityOf } from './corim.js'
import { uriOf } from './corim-values.js'
import { CoseHeader, type CoseMessage, checkSign1, makeSign1, sign1From } from './cose.js'
import { MessageError } from './message-error.js'
import type { MessageSigner } from './message-signer.js'
import { asBytes, asInteger, asMap, asText } from './value.js'

/** A signed manifest (draft-ietf-rats-corim-11 §4.2), not yet checked. */
export interface SignedCorim {
  readonly message: CoseMessage
  readonly contentType: string
  readonly signer: { readonly name: string; readonly uri: string | undefined }
  /** When the signature holds, whatever the manifest in it says of itself. */
  readonly validity: CorimValidity | undefined
  /** DER, the signer's certificate first; empty where the key has to be known. */
  readonly chain: readonly Uint8Array[]
}

/** Whether these bytes are a signed manifest rather than an unsigned one. */
export function isSignedCorim(bytes: Uint8Array): boolean {
  const value = unwrapped(decodeCbor(bytes, 'tolerant'))
  return !(value instanceof Tagged && value.tag === 501)
}

/** Reads a signed manifest; that it is signed by anybody in particular is for `checkSignedCorim` to say.
 *  @throws MessageError if it has not the form of one. A manifest that is detached from its signature is none */
export function readSignedCorim(bytes: Uint8Array): SignedCorim {
  const message = sign1From(unwrapped(decodeCbor(bytes, 'tolerant')))
  const { protectedHeader: header } = message
  const contentType = header.get(CoseHeader.contentType)
  if (header.has(Header.payloadHashAlgorithm)) throw malformed('the CoRIM is not in the message, but a hash over it')
  if (typeof contentType !== 'string' || !CONTENT_TYPES.includes(contentType)) {
    throw new MessageError('ERR_RATS_CONTENT_TYPE', 'the protected header does not say that the content is a CoRIM')
  }
  return { message, contentType, ...signerOf(header), chain: chainOf(message) }
}

/** Checks signature and validity, and only then reads what is signed.
 *  @param at milliseconds since 1970
 *  @throws MessageError ERR_RATS_SIGNATURE or ERR_RATS_ALGORITHM, ERR_RATS_EXPIRED; ERR_RATS_PAYLOAD if what was signed is
 *    no manifest */
export function checkSignedCorim({ message, validity }: SignedCorim, key: PublicKey, at: number): Corim {
  checkSign1(message, key, { understood: [Header.cwtClaims, Header.meta, CoseHeader.x5chain] })
  checkValidity(validity, at, 'the signature over the CoRIM')
  try {
    return decodeCorim(message.payload)
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    throw new MessageError('ERR_RATS_PAYLOAD', `what was signed is no CoRIM: ${error.message}`)
  }
}

/** Signs a manifest.
 *  @param corim encoded, with its tag 501
 *  @param options.validity milliseconds since 1970; always unless said
 *  @param options.chain DER, the signer's certificate first */
export function makeSignedCorim(
  corim: Uint8Array,
  signer: MessageSigner,
  options: { readonly name: string; readonly validity?: CorimValidity; readonly chain?: readonly Uint8Array[] },
): Promise<Uint8Array> {
  const { name, validity, chain = [] } = options
  const meta = new Map<number, CborValue>([[0, new Map([[0, name]])]])
  if (validity) meta.set(1, new Map(timesOf(validity)))
  const protectedHeader = new Map<number, CborValue>([
    [CoseHeader.contentType, CONTENT_TYPES[0] ?? ''],
    [Header.meta, encodeCbor(meta)],
  ])
  const [first] = chain
  if (first) protectedHeader.set(CoseHeader.x5chain, chain.length === 1 ? first : chain)
  return makeSign1(corim, signer, { protectedHeader })
}

function timesOf({ notBefore, notAfter }: CorimValidity): [number, CborValue][] {
  const time = (milliseconds: number) => new Tagged(1, Math.floor(milliseconds / 1000))
  const end: [number, CborValue] = [1, time(notAfter)]
  return notBefore === undefined ? [end] : [[0, time(notBefore)], end]
}

const Header = { meta: 8, cwtClaims: 15, payloadHashAlgorithm: 258 } as const
/** The one of the standard, then those before it. */
const CONTENT_TYPES: readonly string[] = ['application/rim+cbor', 'application/corim-unsigned+cbor']

/** 500 was around everything once, and 502 around what is signed. */
function unwrapped(value: CborValue): CborValue {
  return value instanceof Tagged && (value.tag === 500 || value.tag === 502) ? unwrapped(value.value) : value
}

/** Who signed and until when: as corim-meta, as CWT claims, or as both that agree. */
function signerOf(header: CborMap): Pick<SignedCorim, 'signer' | 'validity'> {
  const [meta, claims] = [header.get(Header.meta), header.get(Header.cwtClaims)]
  const fromMeta = meta === undefined ? undefined : metaOf(meta)
  const fromClaims = claims === undefined ? undefined : cwtClaimsOf(claims)
  if (fromMeta && fromClaims) {
    const { validity: a } = fromMeta
    const { validity: b } = fromClaims
    if (fromMeta.signer.name !== fromClaims.signer.name || (a && b && !sameValidity(a, b))) {
      throw new MessageError('ERR_RATS_INCONSISTENT', 'corim-meta and CWT claims name different signers or times')
    }
    return { ...fromMeta, validity: a ?? b }
  }
  const found = fromMeta ?? fromClaims
  if (!found) throw malformed('the protected header has neither corim-meta nor CWT claims')
  return found
}

function metaOf(value: CborValue): Pick<SignedCorim, 'signer' | 'validity'> {
  const map = asMap(decodeCbor(asBytes(value, 'corim-meta', 1), 'tolerant'), 'corim-meta')
  const signer = asMap(map.get(0), 'the signer')
  const uri = signer.get(1)
  const validity = map.get(1)
  return {
    signer: {
      name: asText(signer.get(0), 'the name of the signer', 1, 1024),
      uri: uri === undefined ? undefined : uriOf(uri, 'the URI of the signer'),
    },
    validity: validity === undefined ? undefined : validityOf(asMap(validity, 'signature-validity')),
  }
}

/** RFC 9597 §2, RFC 8392 §3.1. */
function cwtClaimsOf(value: CborValue): Pick<SignedCorim, 'signer' | 'validity'> {
  const map = asMap(value, 'the CWT claims')
  const [notAfter, notBefore] = [map.get(4), map.get(5)]
  const time = (seconds: CborValue, what: string) => asInteger(seconds, what) * 1000
  return {
    signer: { name: asText(map.get(1), 'iss', 1, 1024), uri: undefined },
    validity:
      notAfter === undefined
        ? undefined
        : {
            notBefore: notBefore === undefined ? undefined : time(notBefore, 'nbf'),
            notAfter: time(notAfter, 'exp'),
          },
  }
}

/** x5chain (RFC 9360 §2). */
function chainOf({ protectedHeader, unprotectedHeader }: CoseMessage): readonly Uint8Array[] {
  const value = protectedHeader.get(CoseHeader.x5chain) ?? unprotectedHeader.get(CoseHeader.x5chain)
  if (value === undefined) return []
  const items: readonly CborValue[] = Array.isArray(value) ? value : [value]
  if (items.length > MOST_CERTIFICATES) throw malformed(`the chain has more than ${MOST_CERTIFICATES} certificates`)
  return items.map(item => asBytes(item, 'a certificate of x5chain', 1, 65_536))
}

const MOST_CERTIFICATES = 10

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
