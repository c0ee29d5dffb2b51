import { hex } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import type { Measurement } from '../../rats/index.js'
import type { RegisterHash } from '../event-log/log.js'
import { describeSelections } from '../tpm/pcr.js'
import { type CorimProfile, type CorimReference, forbidden, identifierOf, publicKeyOf } from './profile.js'

/** A TPM 2.0 by Parsec: values of PCRs, and attestation keys by the names that Parsec gives them. Its Evidence has no
 *  values of PCRs but the digest over them: that is what they become. */
export const parsecTpmCorim: CorimProfile = {
  name: 'tag:github.com/parallaxsecond,2023-03-03:tpm',

  reference({ environment, measurements }) {
    identifierOf(environment, 'classId', UUID, [16])
    if (environment.instance) throw forbidden('reference values are for a class, not for an instance')
    const registers = new Map(measurements.map(measurement => [registerOf(measurement), measurement] as const))
    if (registers.size < measurements.length) throw forbidden('a PCR stands there twice')
    const ascending = [...registers].sort(([a], [b]) => a - b)
    const states = BANKS.flatMap(bank => stateOf(bank, ascending))
    if (states.length === 0) throw forbidden('there is no bank that all PCRs have a digest of')
    return states
  },

  anchor({ environment, keys }) {
    identifierOf(environment, 'classId', UUID, [16])
    const id = identifierOf(environment, 'instance', BYTES, [33])
    return { instanceKey: { kind: 'tpm', id, key: publicKeyOf(keys) } }
  },
}

const UUID = 37
const BYTES = 560

function registerOf({ key, digests }: Measurement): number {
  if (typeof key !== 'number' || key < 0 || key > 23) throw forbidden('a measurement has to name a PCR by number')
  if (!digests) throw forbidden(`PCR ${key} has no digest`)
  return key
}

/** What a quote over these registers of one bank says; nothing if the bank has not all of them. */
function stateOf(bank: Bank, ascending: readonly (readonly [number, Measurement])[]): readonly CorimReference[] {
  const values = ascending.flatMap(
    ([, { digests = [] }]) => digests.find(({ algorithm }) => bank.names.includes(algorithm))?.value ?? [],
  )
  if (values.length < ascending.length) return []
  const registers = ascending.map(([register]) => register)
  const [first] = values
  const name = describeSelections([{ bank: bank.name, registers }])
  // Over several registers there is a digest, by the hash that the attestation key signs with.
  const digests = first && values.length === 1 ? [first] : DIGESTS.map(each => hash(each, ...values))
  const measurements = new Map([[name, digests.map(hex)]])
  return [{ kind: 'tpm', measurements, claims: new Map(), minimumVersions: new Map() }]
}

const DIGESTS = ['sha256', 'sha384', 'sha512'] as const

interface Bank {
  readonly name: RegisterHash
  /** IANA Named Information Hash Algorithm Registry (RFC 6920 §9.4). */
  readonly names: readonly (number | string)[]
}

const BANKS: readonly Bank[] = [
  { name: 'sha256', names: [1, 'sha-256'] },
  { name: 'sha384', names: [7, 'sha-384'] },
  { name: 'sha512', names: [8, 'sha-512'] },
]
