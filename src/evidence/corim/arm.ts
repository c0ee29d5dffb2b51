import { hex } from '../../bytes/index.js'
import type { KeyTriple, Measurement, MeasurementTriple } from '../../rats/index.js'
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

/** Arm PSA: reference values of devices by their implementation, and keys of single instances. */
export const psaCorim: CorimProfile = {
  name: 'tag:arm.com,2025:psa#1.0.0',
  reference(triple) {
    const { claims, measurements } = softwareOf(triple, 'psa.software-component', triple.measurements)
    return [{ kind: 'psa', measurements, claims, minimumVersions: new Map() }]
  },
  anchor: triple => anchorOf('psa', triple),
}

/** Arm CCA, the machine below the realms. */
export const ccaPlatformCorim: CorimProfile = {
  name: 'tag:arm.com,2025:cca_platform#1.0.0',
  reference(triple) {
    const configurations = triple.measurements.filter(({ key }) => key === CONFIGURATION)
    const [configuration] = configurations
    if (configurations.length > 1) throw forbidden('there are two configurations of one platform')
    const components = triple.measurements.filter(measurement => measurement !== configuration)
    const { claims, measurements } = softwareOf(triple, 'cca.software-component', components)
    if (configuration) {
      const value = rawOf(configuration, 'the configuration')
      if (!configuration.rawValue?.mask) throw forbidden('the configuration has no mask')
      claims.set('config', hex(value))
    }
    return [{ kind: 'cca-platform', measurements, claims, minimumVersions: new Map() }]
  },
  anchor: triple => anchorOf('cca-platform', triple),
}

const CONFIGURATION = 'cca.platform-config'

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

function softwareOf({ environment }: MeasurementTriple, key: string, all: readonly Measurement[]) {
  const implementationId = identifierOf(environment, 'classId', BYTES, [32])
  if (environment.instance) throw forbidden('reference values are for a class, not for an instance')
  const components = all.map(measurement => componentOf(measurement, key))
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

function componentOf(measurement: Measurement, key: string): ArmComponent {
  if (measurement.key !== key) throw forbidden(`a measurement is not of a ${key}`)
  const [digest] = digestsOf(measurement, `a ${key}`)
  const [signer, ...others] = measurement.cryptoKeys ?? []
  if (others.length > 0 || signer?.tag !== BYTES || !signer.bytes || !DIGESTS.includes(signer.bytes.length)) {
    throw forbidden(`a ${key} has to name one signer, by 32, 48 or 64 bytes tagged ${BYTES}`)
  }
  return {
    type: measurement.name,
    measurement: digest ?? new Uint8Array(0),
    version: measurement.version,
    signerId: signer.bytes,
    description: undefined,
  }
}

function anchorOf(kind: string, { environment, keys }: KeyTriple): CorimAnchor {
  identifierOf(environment, 'classId', BYTES, [32])
  const id = identifierOf(environment, 'instance', UEID, [33])
  if (id[0] !== 1) throw forbidden('the instance is not a UEID of type RAND')
  return { instanceKey: { kind, id, key: publicKeyOf(keys) } }
}

const BYTES = 560
const UEID = 550
const DIGESTS: readonly number[] = [32, 48, 64]
