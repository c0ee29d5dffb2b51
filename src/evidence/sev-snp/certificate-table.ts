import { hex, Reader } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'

/** The certificates that travel with a report, as the host has them: they may be missing, and are not believed. */
export interface CertificateTable {
  readonly vcek: Uint8Array | undefined
  readonly vlek: Uint8Array | undefined
  /** ASK or ASVK: both stand under one GUID. */
  readonly ask: Uint8Array | undefined
  readonly ark: Uint8Array | undefined
  /** All entries, known or not, by their GUID as people write it. */
  readonly entries: ReadonlyMap<string, Uint8Array>
}

/** GUIDs of the table's entries (AMD 56421 §4.1.8.1), in the order that they are printed in. */
const GUIDS = {
  vcek: '63da758de6644564adc5f4b93be8accd',
  vlek: 'a8074bc2a25a483eaae639c045a0b8a1',
  ask: '4ab7b379bbac4fe4a02f05aef327c782',
  ark: 'c0b406a4a803495297433fb6014cd0ae',
} as const

const ENTRY_LENGTH = 24
/** The VMM may add entries of its own; nobody needs more than these. */
const MOST_ENTRIES = 32

/** Reads the table of certificates that the extended guest request gives: entries of GUID, offset and length, the last
 *  all zero, then the certificates. Entries that are not known are passed over.
 *  @throws MessageError if an entry points out of the table */
export function decodeCertificateTable(bytes: Uint8Array): CertificateTable {
  const found = new Map<string, Uint8Array>()
  const reader = new Reader(bytes)
  for (let i = 0; reader.remaining >= ENTRY_LENGTH; i++) {
    if (i === MOST_ENTRIES) throw malformed(`has more than ${MOST_ENTRIES} entries`)
    const guid = hex(reader.bytes(16))
    const place = reader.bytes(8)
    const view = new DataView(place.buffer, place.byteOffset, 8)
    const offset = view.getUint32(0, true)
    const length = view.getUint32(4, true)
    if (/^0+$/.test(guid)) return tableOf(found)
    if (offset + length > bytes.length) throw malformed('has an entry that points out of it')
    if (found.has(guid)) throw malformed('has two entries of one kind')
    found.set(guid, bytes.subarray(offset, offset + length))
  }
  if (bytes.length === 0) return tableOf(found)
  throw malformed('has no end')
}

function tableOf(found: ReadonlyMap<string, Uint8Array>): CertificateTable {
  return {
    vcek: found.get(GUIDS.vcek),
    vlek: found.get(GUIDS.vlek),
    ask: found.get(GUIDS.ask),
    ark: found.get(GUIDS.ark),
    entries: new Map(
      [...found].map(([guid, value]) => [guid.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'), value]),
    ),
  }
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', `the certificate table ${sentence}`)
}
