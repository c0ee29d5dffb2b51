import { hex } from '../../bytes/index.js'
import { dotted, type Environment, type Measurement } from '../../rats/index.js'
import { partsOf, tcbVersion } from '../sev-snp/tcb-version.js'
import { type CorimProfile, digestsOf, forbidden, identifierOf, rawOf } from './profile.js'

/** AMD SEV-SNP (draft-deeglaze-amd-sev-snp-corim-profile-02). What is the same for no two reports, such as report data, or
 *  for no two chips, is passed over, and so is what AMD's own comparison leaves out. */
export const snpCorim: CorimProfile = {
  name: 'tag:amd.com,2024:snp-corim-profile',

  reference({ environment, measurements }) {
    checkClass(environment)
    const fields = new Map<number, Measurement>()
    for (const measurement of measurements) {
      const { key } = measurement
      if (typeof key !== 'number' || key < 0)
        throw forbidden('a measurement has to name a field of the report by number')
      if (fields.has(key)) throw forbidden(`field ${key} of the report stands there twice`)
      fields.set(key, measurement)
    }
    const claims = new Map<string, string | number>()
    for (const [field, name, length] of CLAIMS) {
      const measurement = fields.get(field)
      if (measurement) claims.set(name, hex(fieldOf(measurement, `field ${field}`, length)))
    }
    const vmpl = fields.get(Field.vmpl)
    if (vmpl) claims.set('vmpl', Number(`0x${hex(rawOf(vmpl, 'the VMPL', 4))}`))
    return [
      {
        kind: 'sev-snp',
        measurements: new Map([['launch', [hex(launchOf(environment, fields.get(Field.measurement)))]]]),
        claims,
        minimumVersions: minimumsOf(fields),
      },
    ]
  },

  anchor({ environment: { vendor, model }, keys }) {
    if (vendor !== 'Advanced Micro Devices') throw forbidden('a root of AMD has to name AMD as its vendor')
    if (!model || !/^ARK-\w+$/.test(model)) throw forbidden('a root of AMD has to name its line, such as ARK-Milan')
    const [key, ...others] = keys
    if (others.length > 0 || key?.tag !== CERTIFICATE || key.text === undefined) {
      throw forbidden(`a root of AMD is one certificate, in PEM and tagged ${CERTIFICATE}`)
    }
    return { root: { kind: 'sev-snp', pem: key.text } }
  },
}

/** Numbers of fields: their offsets in bits, or counted from 0, as AMD has them. */
const Field = { guestSvn: 1, vmpl: 5, measurement: 641, reportedTcb: 647, cpuFamily: 648, launchTcb: 3968 } as const
const CLAIMS: readonly (readonly [field: number, claim: string, length: number])[] = [
  [3, 'family-id', 16],
  [4, 'image-id', 16],
  [642, 'host-data', 32],
  [643, 'id-key-digest', 48],
  [644, 'author-key-digest', 48],
]
const CERTIFICATE = 555

/** Classes of platforms: by chip (VCEK), or by operator (VLEK). */
const CLASSES: readonly string[] = ['1.3.6.1.4.1.3704.3.1', '1.3.6.1.4.1.3704.3.2']

function checkClass({ classId }: Environment): void {
  if (classId?.tag !== 111 || !classId.bytes || !CLASSES.includes(dotted(classId.bytes))) {
    throw forbidden('the class of an environment is none of SEV-SNP')
  }
}

/** Digests stand as such, or as bytes. */
function fieldOf(measurement: Measurement, what: string, length: number): Uint8Array {
  if (measurement.rawValue) return rawOf(measurement, what, length)
  const [digest] = digestsOf(measurement, what)
  if (digest?.length !== length) throw forbidden(`${what} has not ${length} bytes`)
  return digest
}

/** The launch measurement, which reference values also have as their instance. */
function launchOf(environment: Environment, measurement: Measurement | undefined): Uint8Array {
  const instance =
    environment.instance?.bytes?.length === 48 ? identifierOf(environment, 'instance', 560, [48]) : undefined
  const launch = measurement ? fieldOf(measurement, 'the launch measurement', 48) : instance
  if (!launch) throw forbidden('there is no launch measurement')
  if (instance && hex(instance) !== hex(launch)) throw forbidden('the instance is another launch than the one measured')
  return launch
}

function minimumsOf(fields: ReadonlyMap<number, Measurement>): ReadonlyMap<string, number> {
  const minimums = new Map<string, number>()
  const guestSvn = fields.get(Field.guestSvn)
  if (guestSvn) {
    if (guestSvn.svn?.rule !== 'minimum') throw forbidden('the guest SVN has to be given as the least one (553)')
    minimums.set('guest-svn', Number(guestSvn.svn.value))
  }
  const family = fields.get(Field.cpuFamily)
  const isTurin = family !== undefined && rawOf(family, 'the CPU family', 1)[0] === 0x1a
  for (const [field, prefix] of [
    [Field.reportedTcb, ''],
    [Field.launchTcb, 'launch-'],
  ] as const) {
    const measurement = fields.get(field)
    if (!measurement) continue
    if (!measurement.svn) throw forbidden(`field ${field} has no security version number`)
    const tcb = tcbVersion(littleEndianOf(measurement.svn.value), isTurin ? 'turin' : 'genoa')
    if (!tcb) throw forbidden(`field ${field} is no TCB of such a processor`)
    for (const [part, level] of partsOf(tcb)) minimums.set(prefix + part, level)
  }
  return minimums
}

/** A TCB_VERSION as it stands in a report. */
function littleEndianOf(value: bigint): Uint8Array {
  if (value < 0n || value >= 1n << 64n) throw forbidden('a TCB is a number of 64 bits')
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return bytes
}
