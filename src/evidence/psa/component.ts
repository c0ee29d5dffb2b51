import { hex } from '../../bytes/index.js'
import { asArray, asBytes, asMap, asText, type CborMap, type CborValue, MessageError } from '../../rats/index.js'

/** A piece of measured software (RFC 9783 §4.4.1): in PSA tokens and, with the same keys, in those of a CCA platform. */
export interface ArmComponent {
  /** What it is, such as `PRoT`; undefined where the token does not say. */
  readonly type: string | undefined
  /** The digest: 32, 48 or 64 bytes. */
  readonly measurement: Uint8Array
  readonly version: string | undefined
  /** A digest of the key that signed it: 32, 48 or 64 bytes. */
  readonly signerId: Uint8Array
  /** How it was measured: the name of a hash function, in PSA's older tokens any text. */
  readonly description: string | undefined
}

/** Reads the list of software components: at least one, at most 64. @throws MessageError */
export function componentsOf(value: CborValue | undefined, what: string): readonly ArmComponent[] {
  return asArray(value, what, 1, MOST_COMPONENTS).map(item => {
    const component = asMap(item, 'a software component')
    for (const member of [Component.measurement, Component.signerId]) {
      // The claim is there, but is not what it has to be.
      if (!component.has(member))
        throw new MessageError('ERR_RATS_CLAIM', `a software component has no member ${member}`)
    }
    return {
      type: textAt(component, Component.type, 'the measurement type of a component'),
      measurement: asDigest(component.get(Component.measurement), 'the measurement value of a component'),
      version: textAt(component, Component.version, 'the version of a component'),
      signerId: asDigest(component.get(Component.signerId), 'the signer id of a component'),
      description: textAt(component, Component.description, 'the measurement description of a component'),
    }
  })
}

/** The list as a claim. */
export function encodeComponents(components: readonly ArmComponent[]): CborValue {
  return components.map(({ type, measurement, version, signerId, description }) => {
    const map = new Map<number, CborValue>([
      [Component.measurement, measurement],
      [Component.signerId, signerId],
    ])
    if (type !== undefined) map.set(Component.type, type)
    if (version !== undefined) map.set(Component.version, version)
    if (description !== undefined) map.set(Component.description, description)
    return map
  })
}

/** The measurements by the names that policies know them by: what the token calls them, `component-2` where it calls
 *  the second nothing. Of several of one name each after the first has its number behind: `BL`, `BL-2`. No measurement
 *  can hide behind another. */
export function measurementsOf(components: readonly ArmComponent[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [index, { type, measurement }] of components.entries()) {
    const name = type ?? `component-${index + 1}`
    let free = name
    for (let i = 2; found.has(free); i++) free = `${name}-${i}`
    found.set(free, hex(measurement))
  }
  return found
}

/** The components as claims, for people. */
export function claimsOfComponents(components: readonly ArmComponent[]): readonly Readonly<Record<string, unknown>>[] {
  return components.map(({ type, measurement, version, signerId, description }) => ({
    ...(type !== undefined && { type }),
    measurement: hex(measurement),
    ...(version !== undefined && { version }),
    'signer-id': hex(signerId),
    ...(description !== undefined && { description }),
  }))
}

/** The one key that signed all components; undefined where there are several. */
export function commonSigner(components: readonly ArmComponent[]): string | undefined {
  const signers = new Set(components.map(({ signerId }) => hex(signerId)))
  const [signer] = signers
  return signers.size === 1 ? signer : undefined
}

/** A digest as Arm's tokens hold them: 32, 48 or 64 bytes. @throws MessageError */
export function asDigest(value: CborValue | undefined, what: string): Uint8Array {
  const bytes = asBytes(value, what, 32, 64)
  if (bytes.length % 16 === 0) return bytes
  throw new MessageError('ERR_RATS_CLAIM', `${what} has to be of 32, 48 or 64 bytes, not ${bytes.length}`)
}

/** An Instance ID: a UEID of type RAND (RFC 9783 §4.2.1). @throws MessageError */
export function asInstanceId(value: CborValue | undefined, what: string): Uint8Array {
  const id = asBytes(value, what, 33, 33)
  if (id[0] === 1) return id
  throw new MessageError('ERR_RATS_CLAIM', `${what} is not a UEID of type RAND`)
}

const MOST_COMPONENTS = 64

/** RFC 9783 §4.4.1. */
const Component = { type: 1, measurement: 2, version: 4, signerId: 5, description: 6 } as const

function textAt(component: CborMap, key: number, what: string): string | undefined {
  const value = component.get(key)
  return value === undefined ? undefined : asText(value, what, 0, 128)
}
