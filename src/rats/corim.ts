import { type CborMap, type CborValue, decodeCbor, Float, Tagged } from './cbor.js'
import { type Comid, comidOf } from './comid.js'
import { dotted, idOf, uriOf } from './corim-values.js'
import { MessageError } from './message-error.js'
import { asArray, asBytes, asInteger, asMap, asTagged, asText } from './value.js'

/** A Concise Reference Integrity Manifest (draft-ietf-rats-corim-11 §4.1): what a supply chain says about platforms. */
export interface Corim {
  /** Text; a UUID in lower-case hex. */
  readonly id: string
  /** A URI, or an OID in dots, that says how to read the rest; undefined where the manifest names none. */
  readonly profile: string | undefined
  readonly validity: CorimValidity | undefined
  /** The tag of each part: 506 for a CoMID, 505 for a CoSWID, 508 for a CoTL. */
  readonly tags: readonly number[]
  /** The parts that are read here; CoSWIDs and CoTLs are passed over. */
  readonly comids: readonly Comid[]
  readonly entities: readonly CorimEntity[]
}

/** When a manifest, or the signature over it, holds: milliseconds since 1970. */
export interface CorimValidity {
  readonly notBefore: number | undefined
  readonly notAfter: number
}

/** Somebody who had a part in a manifest. */
export interface CorimEntity {
  readonly name: string
  /** 1: creator; 2: signer. */
  readonly roles: readonly number[]
}

/** Media types of manifests (draft-ietf-rats-corim-11 §11). */
export const CORIM_MEDIA_TYPE = 'application/rim+cbor'

/** Reads an unsigned manifest: tagged 501, in older ones 500 around it.
 *  @throws MessageError if it has not the form of one */
export function decodeCorim(bytes: Uint8Array): Corim {
  const outer = decodeCbor(bytes, 'tolerant')
  const inner = outer instanceof Tagged && outer.tag === OLD_TAG ? outer.value : outer
  const map = asMap(asTagged(inner, 'the CoRIM', CORIM_TAG), 'the CoRIM')
  const tags = asArray(map.get(Member.tags), 'the tags of the CoRIM', 1, MOST_TAGS).map(tagOf)
  const validity = map.get(Member.validity)
  const profile = map.get(Member.profile)
  const entities = map.get(Member.entities)
  return {
    id: idOf(map.get(Member.id), 'the id of the CoRIM'),
    profile: profile === undefined ? undefined : profileOf(profile),
    validity: validity === undefined ? undefined : validityOf(asMap(validity, 'rim-validity')),
    tags: tags.map(({ tag }) => tag),
    comids: tags.filter(({ tag }) => tag === COMID_TAG).map(({ value }) => comidOf(value)),
    entities: entities === undefined ? [] : asArray(entities, 'the entities of the CoRIM', 1, MOST_TAGS).map(entityOf),
  }
}

const CORIM_TAG = 501
/** What was around all forms of a manifest once. */
const OLD_TAG = 500
const COMID_TAG = 506
const PARTS: readonly number[] = [505, COMID_TAG, 508]
const MOST_TAGS = 1024
const Member = { id: 0, tags: 1, profile: 3, validity: 4, entities: 5 } as const

function tagOf(value: CborValue): { readonly tag: number; readonly value: Uint8Array } {
  if (!(value instanceof Tagged) || !PARTS.includes(value.tag))
    throw malformed('a part of the CoRIM is of no known kind')
  return { tag: value.tag, value: asBytes(value.value, 'a part of the CoRIM', 1) }
}

/** A URI, as text or with the tag 32 that CDDL has for it; or an OID. */
function profileOf(value: CborValue): string {
  if (value instanceof Tagged && value.tag === OID_TAG) return dotted(asBytes(value.value, 'the profile', 1, 64))
  return uriOf(value, 'the profile')
}

const OID_TAG = 111

/** A validity-map: times with the tag 1. */
export function validityOf(map: CborMap): CorimValidity {
  const notBefore = map.get(0)
  return {
    notBefore: notBefore === undefined ? undefined : timeOf(notBefore, 'not-before'),
    notAfter: timeOf(map.get(1), 'not-after'),
  }
}

/** A time with the tag 1 (RFC 8949 §3.4.2) as milliseconds since 1970. */
function timeOf(value: CborValue | undefined, what: string): number {
  const time = asTagged(value, what, 1)
  return Math.round((time instanceof Float ? time.value : asInteger(time, what)) * 1000)
}

function entityOf(value: CborValue): CorimEntity {
  const map = asMap(value, 'an entity')
  return {
    name: asText(map.get(0), 'the name of an entity', 1, 1024),
    roles: asArray(map.get(2), 'the roles of an entity', 1, 16).map(role => asInteger(role, 'a role')),
  }
}

/** Whether a manifest or its signature holds at that time.
 *  @throws MessageError ERR_RATS_EXPIRED if it does not */
export function checkValidity(validity: CorimValidity | undefined, at: number, what: string): void {
  if (!validity) return
  const { notBefore, notAfter } = validity
  if (!(at <= notAfter)) throw new MessageError('ERR_RATS_EXPIRED', `${what} held until ${dateOf(notAfter)}`)
  if (notBefore !== undefined && !(at >= notBefore)) {
    throw new MessageError('ERR_RATS_EXPIRED', `${what} holds from ${dateOf(notBefore)}`)
  }
}

function dateOf(time: number): string {
  return Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : `${time} ms`
}

/** Whether two optional validities say the same. */
export function sameValidity(a: CorimValidity, b: CorimValidity): boolean {
  return a.notAfter === b.notAfter && a.notBefore === b.notBefore
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
