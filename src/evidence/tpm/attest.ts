import type { Reader } from '../../bytes/index.js'
import { type PcrSelection, readSelections } from './pcr.js'
import { readStructure, sized } from './structure.js'

/** TPMS_ATTEST (TPM 2.0 Library, Part 2, 10.12.12): what a TPM signs about itself. Byte strings are views. */
export interface TpmAttest {
  /** `TPM_MAGIC`, if a TPM made it: a restricted key signs nothing that begins so and comes from outside. */
  readonly magic: number
  /** TPM_ST. */
  readonly type: number
  /** The Qualified Name of the key that signed. */
  readonly qualifiedSigner: Uint8Array
  /** What whoever asked for it has given: the challenge. At most 64 bytes. */
  readonly extraData: Uint8Array
  /** Milliseconds that the TPM has been running. */
  readonly clock: bigint
  readonly resetCount: number
  readonly restartCount: number
  /** 1 if the clock has not been turned back; other values than 0 and 1 occur. */
  readonly safe: number
  readonly firmwareVersion: bigint
  readonly attested: TpmAttested
}

/** What a TPM says, by what it was asked. */
export type TpmAttested =
  /** TPM2_Certify: that a key is loaded in it. */
  | { readonly kind: 'certify'; readonly name: Uint8Array; readonly qualifiedName: Uint8Array }
  /** TPM2_Quote: what its PCRs hold. */
  | { readonly kind: 'quote'; readonly selections: readonly PcrSelection[]; readonly pcrDigest: Uint8Array }
  /** TPM2_CertifyCreation: that it made a key. */
  | { readonly kind: 'creation'; readonly objectName: Uint8Array; readonly creationHash: Uint8Array }
  /** Something else. */
  | { readonly kind: 'other' }

/** TPM_GENERATED_VALUE: `\xffTCG`. */
export const TPM_MAGIC = 0xff544347

/** TPM_ST of the structures above. */
export const AttestType = { certify: 0x8017, quote: 0x8018, creation: 0x801a } as const

/** Reads a TPMS_ATTEST, without looking at the magic. @throws MessageError */
export function decodeAttest(bytes: Uint8Array): TpmAttest {
  return readStructure(bytes, 'TPMS_ATTEST', reader => {
    const magic = reader.uint32()
    const type = reader.uint16()
    return {
      magic,
      type,
      qualifiedSigner: sized(reader),
      extraData: sized(reader),
      clock: reader.uint64(),
      resetCount: reader.uint32(),
      restartCount: reader.uint32(),
      safe: reader.uint8(),
      firmwareVersion: reader.uint64(),
      attested: attestedOf(type, reader),
    }
  })
}

function attestedOf(type: number, reader: Reader): TpmAttested {
  switch (type) {
    case AttestType.certify:
      return { kind: 'certify', name: sized(reader), qualifiedName: sized(reader) }
    case AttestType.quote:
      return { kind: 'quote', selections: readSelections(reader), pcrDigest: sized(reader) }
    case AttestType.creation:
      return { kind: 'creation', objectName: sized(reader), creationHash: sized(reader) }
    default:
      reader.rest()
      return { kind: 'other' }
  }
}
