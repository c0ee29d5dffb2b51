import {
  asArray,
  asBytes,
  asInteger,
  asMap,
  type CborMap,
  type CborValue,
  decodeCbor,
  encodeCbor,
  MessageError,
} from '../../rats/index.js'
import type { LoggedEvent, RegisterHash } from '../event-log/log.js'
import { decodeTcgLog } from '../event-log/tcg.js'
import { decodeAttest, type TpmAttest } from './attest.js'
import { isPcrValue, type PcrBanks } from './pcr.js'
import { decodePublicArea, type TpmPublic } from './public-area.js'
import { decodeSignature, type TpmSignature } from './signature.js'

/** What a TPM has to say, whichever format brought it. */
export interface TpmEvidence {
  readonly attestationKey: TpmAttestationKey
  /** At least one, of the same challenge; several where there are several banks of PCRs. */
  readonly quotes: readonly TpmStatement[]
  /** That the TPM holds the key which the Evidence speaks for; undefined where it speaks for none. */
  readonly certified: TpmCertified | undefined
  /** Values of PCRs that the quotes are about, as far as they came along. */
  readonly values: PcrBanks
  /** What the PCRs were extended with; undefined where it did not come along. */
  readonly log: readonly LoggedEvent[] | undefined
}

/** The key that signs what a TPM says. */
export interface TpmAttestationKey {
  /** What its public key is registered by, where there is no certificate: its Name, or what the format has for it. */
  readonly id: Uint8Array
  readonly publicArea: TpmPublic | undefined
  /** DER, its own certificate first; empty where none came along. */
  readonly chain: readonly Uint8Array[]
}

/** Something that a TPM has signed. */
export interface TpmStatement {
  /** What is signed: a TPMS_ATTEST as it came. */
  readonly bytes: Uint8Array
  readonly attest: TpmAttest
  readonly signature: TpmSignature
}

/** A key, and what the TPM says about it. */
export interface TpmCertified {
  readonly statement: TpmStatement
  readonly publicArea: TpmPublic
}

/** The parts of our own bundle, as a TPM gives them: the attester's side of `decodeTpmBundle`. */
export interface TpmBundle {
  /** TPMT_PUBLIC of the attestation key. */
  readonly attestationKey: Uint8Array
  /** DER, its own certificate first; empty where its Name is registered. */
  readonly chain: readonly Uint8Array[]
  /** TPMS_ATTEST and TPMT_SIGNATURE of one quote for each bank, at least one. */
  readonly quotes: readonly { readonly attest: Uint8Array; readonly signature: Uint8Array }[]
  /** The same of TPM2_Certify, with the TPMT_PUBLIC of the key. */
  readonly certified?:
    | { readonly attest: Uint8Array; readonly signature: Uint8Array; readonly publicArea: Uint8Array }
    | undefined
  readonly values?: PcrBanks | undefined
  /** As the firmware keeps it: the file `binary_bios_measurements`. */
  readonly log?: Uint8Array | undefined
}

/** Reads our own bundle: a map in deterministic CBOR,
 *
 *      { 1: TPMT_PUBLIC of the AK, ? 2: [+ DER], 3: [+ [TPMS_ATTEST, TPMT_SIGNATURE]],
 *        ? 4: [TPMS_ATTEST, TPMT_SIGNATURE, TPMT_PUBLIC], ? 5: { bank: { register: value } }, ? 6: event log }
 *
 *  @throws CborError or MessageError */
export function decodeTpmBundle(bytes: Uint8Array): TpmEvidence {
  const map = asMap(decodeCbor(bytes), 'the bundle')
  for (const key of map.keys()) {
    if (!KNOWN.has(key))
      throw new MessageError('ERR_RATS_MALFORMED', 'the bundle holds a member that is not known here')
  }
  const publicArea = decodePublicArea(structureAt(map, Member.attestationKey, 'the attestation key'))
  const certified = map.get(Member.certified)
  const log = map.get(Member.log)
  const chain = map.get(Member.chain)
  return {
    attestationKey: {
      id: publicArea.name,
      publicArea,
      chain:
        chain === undefined
          ? []
          : asArray(chain, 'the chain', 1, 8).map(item => asBytes(item, 'a certificate', 1, 8192)),
    },
    quotes: quotesOf(map.get(Member.quotes)),
    certified: certified === undefined ? undefined : certifiedOf(asArray(certified, 'the certified key', 3, 3)),
    values: valuesOf(map.get(Member.values)),
    log: log === undefined ? undefined : decodeTcgLog(asBytes(log, 'the event log', 1)),
  }
}

/** Our own bundle. */
export function encodeTpmBundle(bundle: TpmBundle): Uint8Array {
  const map = new Map<number, CborValue>([
    [Member.attestationKey, bundle.attestationKey],
    [Member.quotes, bundle.quotes.map(({ attest, signature }) => [attest, signature])],
  ])
  const { certified, values } = bundle
  if (bundle.chain.length > 0) map.set(Member.chain, bundle.chain)
  if (certified) map.set(Member.certified, [certified.attest, certified.signature, certified.publicArea])
  if (values && values.size > 0) map.set(Member.values, values)
  if (bundle.log) map.set(Member.log, bundle.log)
  return encodeCbor(map)
}

const Member = { attestationKey: 1, chain: 2, quotes: 3, certified: 4, values: 5, log: 6 } as const
const KNOWN: ReadonlySet<unknown> = new Set(Object.values(Member))

/** What a TPM signed, and its signature. @throws MessageError */
export function decodeStatement(bytes: Uint8Array, signature: Uint8Array): TpmStatement {
  return { bytes, attest: decodeAttest(bytes), signature: decodeSignature(signature) }
}

function quotesOf(value: CborValue | undefined): readonly TpmStatement[] {
  const quotes = asArray(value, 'the quotes', 1, 4).map(item => statementOf(asArray(item, 'a quote', 2, 2)))
  const banks = quotes.flatMap(({ attest: { attested } }) =>
    attested.kind === 'quote' ? attested.selections.map(({ bank }) => bank) : [],
  )
  // Of two quotes of one bank nobody could say which is true.
  if (new Set(banks).size < banks.length) throw new MessageError('ERR_RATS_CLAIM', 'two quotes are of one bank')
  return quotes
}

function statementOf([attest, signature]: readonly CborValue[]): TpmStatement {
  return decodeStatement(asStructure(attest, 'what the TPM signed'), asStructure(signature, 'its signature'))
}

function certifiedOf(parts: readonly CborValue[]): TpmCertified {
  return { statement: statementOf(parts), publicArea: decodePublicArea(asStructure(parts[2], 'the certified key')) }
}

function valuesOf(value: CborValue | undefined): PcrBanks {
  const banks = new Map<RegisterHash, ReadonlyMap<number, Uint8Array>>()
  if (value === undefined) return banks
  for (const [name, registers] of asMap(value, 'the values of PCRs')) {
    const bank = BANKS.find(known => known === name)
    if (!bank) throw new MessageError('ERR_RATS_CLAIM', 'the values of PCRs are of a bank that is not known here')
    const found = new Map<number, Uint8Array>()
    for (const [register, item] of asMap(registers, 'the values of a bank')) {
      const bytes = asBytes(item, 'the value of a PCR', 20, 64)
      if (!isPcrValue(bank, bytes))
        throw new MessageError('ERR_RATS_CLAIM', 'the value of a PCR has not the size of its bank')
      found.set(asInteger(register, 'the number of a PCR', 0, 31), bytes)
    }
    banks.set(bank, found)
  }
  return banks
}

const BANKS: readonly RegisterHash[] = ['sha1', 'sha256', 'sha384', 'sha512']

function structureAt(map: CborMap, key: number, what: string): Uint8Array {
  return asStructure(map.get(key), what)
}

function asStructure(value: CborValue | undefined, what: string): Uint8Array {
  return asBytes(value, what, 1, 4096)
}
