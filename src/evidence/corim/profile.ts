import { PublicKey } from '../../crypto/index.js'
import {
  type Environment,
  type KeyTriple,
  type Measurement,
  type MeasurementTriple,
  MessageError,
} from '../../rats/index.js'
import type { InstanceKey } from '../endorsements.js'
import type { ClaimValue } from '../reference-values.js'

/** How the manifests of one profile are to be read (draft-ietf-rats-corim-11 §2.3): which statements they may make, and
 *  what these say in the words that policies are written in. */
export interface CorimProfile {
  /** As manifests name it. */
  readonly name: string
  /** The states that a statement allows, each for itself.
   *  @throws MessageError ERR_RATS_CLAIM if the profile forbids such a statement */
  reference(triple: MeasurementTriple): readonly CorimReference[]
  /** @throws MessageError as `reference` does; absent for profiles without trust anchors */
  anchor?(triple: KeyTriple): CorimAnchor
}

/** One allowed state of a kind of platform. */
export interface CorimReference {
  readonly kind: string
  /** By measurement, the digests that will do: lower-case hex. */
  readonly measurements: ReadonlyMap<string, readonly string[]>
  readonly claims: ReadonlyMap<string, ClaimValue>
  readonly minimumVersions: ReadonlyMap<string, number>
}

/** What a kind of platform is believed by: the key of one instance, or a root. */
export type CorimAnchor = { readonly instanceKey: InstanceKey } | { readonly root: CorimRoot }

/** A root for a kind of platform. */
export interface CorimRoot {
  readonly kind: string
  /** PEM. */
  readonly pem: string
}

/** The bytes of an environment's class or instance.
 *  @throws MessageError unless it has that tag and one of those lengths */
export function identifierOf(
  environment: Environment,
  member: 'classId' | 'instance',
  tag: number,
  lengths: readonly number[],
): Uint8Array {
  const { [member]: found } = environment
  const what = member === 'classId' ? 'the class of an environment' : 'the instance of an environment'
  if (!found) throw forbidden(`${what} is missing`)
  if (found.tag !== tag || !found.bytes || !lengths.includes(found.bytes.length)) {
    throw forbidden(`${what} has to be ${lengths.join(' or ')} bytes tagged ${tag}`)
  }
  return found.bytes
}

/** The one key of an instance, as it stands in PEM (554). @throws MessageError if there is none, or another beside it */
export function publicKeyOf(keys: KeyTriple['keys']): PublicKey {
  const [key, ...others] = keys
  if (others.length > 0 || key?.tag !== PUBLIC_KEY || key.text === undefined) {
    throw forbidden(`an instance has one key, in PEM and tagged ${PUBLIC_KEY}`)
  }
  try {
    return PublicKey.fromPem(key.text)
  } catch {
    throw forbidden('the key of an instance cannot be read')
  }
}

const PUBLIC_KEY = 554

/** The one digest, or the same in several algorithms. @throws MessageError if there is none */
export function digestsOf({ digests }: Measurement, what: string): readonly Uint8Array[] {
  const values = digests?.map(({ value }) => value) ?? []
  if (values.length === 0) throw forbidden(`${what} has no digest`)
  if (values.some(({ length }) => length < 32 || length % 16 !== 0)) {
    throw forbidden(`${what} has a digest that is not of 32, 48 or 64 bytes`)
  }
  return values
}

/** A raw value of that length. A mask over it is not looked at: what it says of some bits, all bits are asked for, so that
 *  nothing is let through that the manifest does not allow.
 *  @throws MessageError */
export function rawOf({ rawValue }: Measurement, what: string, length?: number): Uint8Array {
  if (!rawValue) throw forbidden(`${what} has no raw value`)
  if (length !== undefined && rawValue.value.length !== length) throw forbidden(`${what} has not ${length} bytes`)
  return rawValue.value
}

/** Something that a profile forbids. */
export function forbidden(sentence: string): MessageError {
  return new MessageError('ERR_RATS_CLAIM', sentence)
}
