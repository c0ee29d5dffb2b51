import { equalBytes, utf8 } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { type LittleEndian, littleEndian } from '../little-endian.js'
import { EV_NO_ACTION, type LoggedEvent, type RegisterHash } from './log.js'

/** Reads the log that firmware keeps (TCG PC Client Platform Firmware Profile, 10): the older form with SHA-1 alone, or
 *  the one whose first event tells which hashes there are. It ends with its bytes, or where memory begins that nobody
 *  has written yet.
 *  @throws MessageError if it is neither, or breaks off inside an event */
export function decodeTcgLog(bytes: Uint8Array): readonly LoggedEvent[] {
  if (bytes.length > MAX_LENGTH) throw malformed(`the log has ${bytes.length} bytes, where ${MAX_LENGTH} are the most`)
  const reader = littleEndian(bytes, 'the event log')
  const first = readSha1Event(reader)
  const lengths = digestLengthsOf(first)
  const events = [first]
  while (reader.remaining > 0 && !isUnwritten(bytes.subarray(reader.offset, reader.offset + 8))) {
    if (events.length === MOST_EVENTS) throw malformed(`the log has more than ${MOST_EVENTS} events`)
    events.push(lengths ? readEvent(reader, lengths) : readSha1Event(reader))
  }
  return events
}

/** Firmware reserves less. */
const MAX_LENGTH = 4 << 20
const MOST_EVENTS = 10_000

/** Memory that was cleared or erased: no register of that number with an event of that type exists. */
function isUnwritten(header: Uint8Array): boolean {
  return header.every(byte => byte === 0xff) || header.every(byte => byte === 0)
}

/** TCG_PCR_EVENT. */
function readSha1Event(reader: LittleEndian): LoggedEvent {
  const register = reader.uint32()
  const type = reader.uint32()
  const digest = reader.bytes(20)
  const data = reader.bytes(reader.uint32())
  return { register, type, digests: new Map([['sha1', digest]]), data }
}

/** TCG_PCR_EVENT2. */
function readEvent(reader: LittleEndian, lengths: ReadonlyMap<number, number>): LoggedEvent {
  const register = reader.uint32()
  const type = reader.uint32()
  const count = reader.uint32()
  if (count > lengths.size) throw malformed(`an event has ${count} digests, where the log has ${lengths.size} hashes`)
  const digests = new Map<RegisterHash, Uint8Array>()
  for (let i = 0; i < count; i++) {
    const algorithm = reader.uint16()
    const length = lengths.get(algorithm)
    if (length === undefined)
      throw malformed(`an event has a digest of algorithm ${algorithm}, which the log does not name`)
    const digest = reader.bytes(length)
    const name = HASHES.get(algorithm)
    if (!name) continue
    if (digests.has(name)) throw malformed(`an event has two digests of ${name}`)
    digests.set(name, digest)
  }
  const data = reader.bytes(reader.uint32())
  return { register, type, digests, data }
}

/** TPM_ALG_ID. */
const HASHES: ReadonlyMap<number, RegisterHash> = new Map([
  [0x0004, 'sha1'],
  [0x000b, 'sha256'],
  [0x000c, 'sha384'],
  [0x000d, 'sha512'],
])

/** TCG_EfiSpecIdEvent: the lengths of digests by algorithm; undefined for a log of the older form, which has none. */
function digestLengthsOf({ type, data }: LoggedEvent): ReadonlyMap<number, number> | undefined {
  if (type !== EV_NO_ACTION || !equalBytes(data.subarray(0, 16), SPEC_ID)) return undefined
  const reader = littleEndian(data, 'the first event of the log')
  reader.skip(16 + 4 + 4)
  const count = reader.uint32()
  if (count === 0 || count > 16) throw malformed(`the log says that it has ${count} hashes`)
  const lengths = new Map<number, number>()
  for (let i = 0; i < count; i++) {
    const algorithm = reader.uint16()
    const length = reader.uint16()
    const known = LENGTHS.get(algorithm)
    if (length === 0 || length > 64 || (known !== undefined && known !== length) || lengths.has(algorithm)) {
      throw malformed(`the log says that digests of algorithm ${algorithm} have ${length} bytes`)
    }
    lengths.set(algorithm, length)
  }
  return lengths
}

const SPEC_ID = utf8('Spec ID Event03\0')
const LENGTHS: ReadonlyMap<number, number> = new Map([
  [0x0004, 20],
  [0x000b, 32],
  [0x000c, 48],
  [0x000d, 64],
])

/** What PCR 0 holds before the first event: zero, but for the locality that the TPM was started from, if the log tells
 *  it (TCG PC Client Platform Firmware Profile, 10.4.5.3).
 *  @returns for `replayLog` */
export function startOfTpm(events: readonly LoggedEvent[], digestLength: number): ReadonlyMap<number, Uint8Array> {
  for (const { type, data } of events) {
    if (type !== EV_NO_ACTION || data.length !== 17 || !equalBytes(data.subarray(0, 16), STARTUP_LOCALITY)) continue
    const start = new Uint8Array(digestLength)
    start[digestLength - 1] = data[16] ?? 0
    return new Map([[0, start]])
  }
  return new Map()
}

const STARTUP_LOCALITY = utf8('StartupLocality\0')

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
