import { hex } from '../../bytes/index.js'
import { asBytes, asMap, asText, type Environment, type KeyTriple, type Measurement } from '../../rats/index.js'
import { type ArmComponent, commonSigner, measurementsOf } from '../psa/component.js'
import {
  type CorimAnchor,
  type CorimProfile,
  digestsOf,
  forbidden,
  identifierOf,
  publicKeyOf,
  rawOf,
} from './profile.js'

const BYTES = 560
const UEID = 550
const DIGESTS: readonly number[] = [32, 48, 64]

/** Arm PSA: reference values of devices by their implementation, and keys of single instances; as they are written now, and
 *  as they were. */
export const psaCorims: readonly CorimProfile[] = [
  psaCorim('tag:arm.com,2025:psa#1.0.0', shapeOf('psa.software-component')),
  psaCorim('http://arm.com/psa/iot/1', olderShape()),
]

/** Arm CCA, the machine below the realms; the same. */
export const ccaPlatformCorims: readonly CorimProfile[] = [
  ccaPlatformCorim('tag:arm.com,2025:cca_platform#1.0.0', shapeOf('cca.software-component')),
  ccaPlatformCorim('http://arm.com/cca/ssd/1', olderShape()),
]

/** How a profile writes what both say. */
interface Shape {
  /** The tag of implementation ids. */
  readonly classTag: number
  componentOf(measurement: Measurement): ArmComponent
  isConfiguration(measurement: Measurement): boolean
  /** Whether a configuration comes with a mask. */
  readonly hasMask: boolean
}

function psaCorim(name: string, shape: Shape): CorimProfile {
  return {
    name,
    reference(triple) {
      const { claims, measurements } = softwareOf(triple.environment, triple.measurements, shape)
      return [{ kind: 'psa', measurements, claims, minimumVersions: new Map() }]
    },
    anchor: triple => anchorOf('psa', triple, shape),
  }
}

function ccaPlatformCorim(name: string, shape: Shape): CorimProfile {
  return {
    name,
    reference({ environment, measurements: all }) {
      const [configuration, ...others] = all.filter(shape.isConfiguration)
      if (others.length > 0) throw forbidden('there are two configurations of one platform')
      const components = all.filter(measurement => measurement !== configuration)
      const { claims, measurements } = softwareOf(environment, components, shape)
      if (configuration) {
        claims.set('config', hex(rawOf(configuration, 'the configuration')))
        if (shape.hasMask && !configuration.rawValue?.mask) throw forbidden('the configuration has no mask')
      }
      return [{ kind: 'cca-platform', measurements, claims, minimumVersions: new Map() }]
    },
    anchor: triple => anchorOf('cca-platform', triple, shape),
  }
}

/** Arm CCA, realms: what has been measured of one at its start and since. */
export const ccaRealmCorim: CorimProfile = {
  name: 'tag:arm.com,2025:cca_realm#1.0.0',
  reference({ environment, measurements: all }) {
    identifierOf(environment, 'classId', BYTES, DIGESTS)
    const measurements = new Map<string, readonly string[]>()
    const claims = new Map<string, string>()
    for (const measurement of all) {
      const name = REGISTERS.get(measurement.key)
      if (name === undefined && measurement.key !== 'cca.rpv') {
        throw forbidden('a measurement of a realm is none that there is')
      }
      if (name === undefined ? claims.size > 0 : measurements.has(name)) {
        throw forbidden('a measurement of a realm stands there twice')
      }
      if (name === undefined) claims.set('personalization-value', hex(rawOf(measurement, 'cca.rpv', 64)))
      else measurements.set(name, digestsOf(measurement, `cca.${name}`).map(hex))
    }
    if (!measurements.has('rim')) throw forbidden('the realm has no initial measurement')
    return [{ kind: 'cca-realm', measurements, claims, minimumVersions: new Map() }]
  },
}

const REGISTERS: ReadonlyMap<unknown, string> = new Map(
  ['rim', 'rem0', 'rem1', 'rem2', 'rem3'].map(name => [`cca.${name}`, name]),
)

function softwareOf(environment: Environment, all: readonly Measurement[], shape: Shape) {
  const implementationId = identifierOf(environment, 'classId', shape.classTag, [32])
  if (environment.instance) throw forbidden('reference values are for a class, not for an instance')
  const components = all.map(shape.componentOf)
  // Named as the names are in a token, where of two components of one type the second has a number behind.
  const names = [...measurementsOf(components).keys()]
  const measurements = new Map(
    names.map((name, i) => [name, all.slice(i, i + 1).flatMap(one => digestsOf(one, name).map(hex))] as const),
  )
  const signer = commonSigner(components)
  const claims = new Map([['implementation-id', hex(implementationId)]])
  if (signer !== undefined) claims.set('signer-id', signer)
  return { measurements, claims }
}

/** Components are named by text, and have name and signer among their values. */
function shapeOf(key: string): Shape {
  return {
    classTag: BYTES,
    hasMask: true,
    isConfiguration: measurement => measurement.key === 'cca.platform-config',
    componentOf(measurement) {
      if (measurement.key !== key) throw forbidden(`a measurement is not of a ${key}`)
      const [signer, ...others] = measurement.cryptoKeys ?? []
      const signerId = others.length === 0 && signer?.tag === BYTES ? signer.bytes : undefined
      return component(measurement, key, { type: measurement.name, version: measurement.version, signerId })
    },
  }
}

/** A component is named by its type, version and signer. */
function olderShape(): Shape {
  const tagOf = ({ key }: Measurement) => (typeof key === 'object' ? key.tag : undefined)
  return {
    classTag: 600,
    hasMask: false,
    isConfiguration: measurement => tagOf(measurement) === 602,
    componentOf(measurement) {
      const { key } = measurement
      if (typeof key !== 'object' || key.tag !== 601) throw forbidden('a measurement is not of a software component')
      const names = asMap(key.value, 'the name of a software component')
      const text = (member: number, what: string) => {
        const value = names.get(member)
        return value === undefined ? undefined : asText(value, what, 1, 128)
      }
      return component(measurement, 'software component', {
        type: text(1, 'the type of a software component'),
        version: text(4, 'the version of a software component'),
        signerId: asBytes(names.get(5), 'the signer of a software component'),
      })
    },
  }
}

function component(
  measurement: Measurement,
  what: string,
  { signerId, ...named }: Pick<ArmComponent, 'type' | 'version'> & { readonly signerId: Uint8Array | undefined },
): ArmComponent {
  const [digest = new Uint8Array(0)] = digestsOf(measurement, `a ${what}`)
  if (!signerId || !DIGESTS.includes(signerId.length)) {
    throw forbidden(`a ${what} has to name one signer, by 32, 48 or 64 bytes`)
  }
  return { ...named, measurement: digest, signerId, description: undefined }
}

function anchorOf(kind: string, { environment, keys }: KeyTriple, { classTag }: Shape): CorimAnchor {
  identifierOf(environment, 'classId', classTag, [32])
  const id = identifierOf(environment, 'instance', UEID, [33])
  if (id[0] !== 1) throw forbidden('the instance is not a UEID of type RAND')
  return { instanceKey: { kind, id, key: publicKeyOf(keys) } }
}
