import { equalBytes, hex } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { type Certificate, integerOf, octetsOf, readDer, Tag } from '../../x509/index.js'
import { lineOfProductName, type ProductLine } from './product-line.js'
import { type TcbPart, tcbParts } from './tcb-version.js'

/** What a VCEK or VLEK certificate says about the key in it (AMD 57230 §3.1, extensions below
 *  1.3.6.1.4.1.3704.1). */
export interface EndorsementKey {
  readonly kind: 'VCEK' | 'VLEK'
  readonly line: ProductLine
  /** The security patch levels that the key was derived for. */
  readonly levels: ReadonlyMap<TcbPart, number>
  /** The chip, in a VCEK: 64 bytes, 8 on Turin; undefined in a VLEK. */
  readonly chipId: Uint8Array | undefined
  /** The operator that a VLEK was given to; undefined in a VCEK. */
  readonly operator: string | undefined
}

const ARC = '1.3.6.1.4.1.3704.1'
const PART_OIDS: Readonly<Record<TcbPart, string>> = {
  fmc: `${ARC}.3.9`,
  bootloader: `${ARC}.3.1`,
  tee: `${ARC}.3.2`,
  snp: `${ARC}.3.3`,
  microcode: `${ARC}.3.8`,
}

/** Reads the extensions of AMD. @throws MessageError if one that has to be there is absent or malformed */
export function endorsementKeyOf(certificate: Certificate): EndorsementKey {
  const value = (oid: string) => certificate.extensions.get(oid)?.value
  const productName = asciiOf(need(value(`${ARC}.2`), 'productName'), 'productName')
  const line = lineOfProductName(productName)
  if (!line) throw new MessageError('ERR_RATS_MALFORMED', 'the certificate is for a product that is not known here')
  const levels = new Map<TcbPart, number>()
  for (const part of tcbParts) {
    if (part === 'fmc' && line !== 'turin') continue
    levels.set(part, levelOf(need(value(PART_OIDS[part]), part), part))
  }
  const hardwareId = value(`${ARC}.4`)
  const operator = value(`${ARC}.5`)
  if ((hardwareId === undefined) === (operator === undefined)) {
    throw new MessageError('ERR_RATS_MALFORMED', 'the certificate names neither a chip nor an operator, or both')
  }
  return {
    kind: hardwareId === undefined ? 'VLEK' : 'VCEK',
    line,
    levels,
    chipId: hardwareId && chipIdOf(hardwareId, line),
    operator: operator && asciiOf(operator, 'cspId'),
  }
}

/** Whether a VCEK is that of the chip in a report. A masked chip_id is all zero, and says nothing. */
export function isOfChip(key: EndorsementKey, chipId: Uint8Array): boolean {
  if (key.chipId === undefined || chipId.every(value => value === 0)) return true
  const { length } = key.chipId
  return equalBytes(chipId.subarray(0, length), key.chipId) && chipId.subarray(length).every(value => value === 0)
}

function need(value: Uint8Array | undefined, what: string): Uint8Array {
  if (!value) throw new MessageError('ERR_RATS_MALFORMED', `the certificate has no ${what} extension`)
  return value
}

function levelOf(value: Uint8Array, part: string): number {
  const content = integerOf(readDer(value, Tag.integer, part), part)
  const level = Number(`0x${hex(content)}`)
  if (level > 255) throw new MessageError('ERR_RATS_MALFORMED', `the ${part} level of the certificate is not 0 to 255`)
  return level
}

function asciiOf(value: Uint8Array, what: string): string {
  return new TextDecoder('latin1').decode(readDer(value, Tag.ia5String, what).content)
}

/** The hardware ID stands bare in most certificates, and in an OCTET STRING in some. */
function chipIdOf(value: Uint8Array, line: ProductLine): Uint8Array {
  const length = line === 'turin' ? 8 : 64
  if (value.length === length) return value
  const inner = octetsOf(readDer(value, Tag.octetString, 'hwID'), 'hwID')
  if (inner.length !== length) {
    throw new MessageError('ERR_RATS_MALFORMED', `the hwID of the certificate has ${inner.length} bytes, not ${length}`)
  }
  return inner
}
