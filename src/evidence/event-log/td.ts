import { equalBytes, hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { MessageError } from '../../rats/index.js'
import { SpelledJson } from '../dcap/json.js'
import type { TdReport } from '../dcap/report-body.js'
import { type LoggedEvent, replayLog } from './log.js'
import { decodeTcgLog } from './tcg.js'

/** Reads the log that the firmware of a TD keeps: the memory that the ACPI table CCEL points to (UEFI 2.10, 38.4).
 *  @returns the events with the number of their RTMR; those about MRTD, which nothing extends, are left out
 *  @throws MessageError */
export function decodeCcel(bytes: Uint8Array): readonly LoggedEvent[] {
  return decodeTcgLog(bytes)
    .filter(({ register }) => register > 0)
    .map(event => ({ ...event, register: event.register - 1 }))
}

/** An event that software has added to an RTMR of a TD at run time, as dstack logs it. */
export interface RuntimeEvent extends LoggedEvent {
  /** `compose-hash`; empty for events of the firmware. */
  readonly name: string
}

/** Reads the JSON log of dstack: the firmware's events as they were, and events of RTMR3 whose digest is that of their
 *  name and data.
 *  @throws MessageError if it is not such a log, or an event of RTMR3 has another digest */
export function decodeDstackLog(text: string): readonly RuntimeEvent[] {
  return SpelledJson.parse(text, 'the event log')
    .items()
    .map(event => {
      const type = event.at('event_type').integer(0, 0xffffffff)
      const register = event.at('imr').integer(0, 3)
      const name = event.at('event').text()
      const data = event.at('event_payload').bytes()
      const digest = event.at('digest').bytes()
      if (digest.length !== 48) event.at('digest').fail('is not a SHA-384 digest')
      if (register === 3 && !equalBytes(digest, hash('sha384', uint32(type), utf8(`:${name}:`), data))) {
        throw new MessageError('ERR_RATS_INCONSISTENT', `${event.path} has the digest of another event`)
      }
      return { register, type, name, data, digests: new Map([['sha384', digest]] as const) }
    })
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

/** Whether a log of a TD is true: whether every RTMR that it extends holds in the report what the log comes to. RTMRs
 *  that it does not extend are not explained by it: they are for the caller to compare.
 *  @returns the number of the first RTMR that is another; undefined if the log is true */
export function findUnexplainedRtmr(events: readonly LoggedEvent[], { rtmrs }: TdReport): number | undefined {
  const registers = replayLog(events, 'sha384')
  for (const [register, value] of registers) {
    const held = rtmrs[register]
    if (!held || hex(held) !== hex(value)) return register
  }
  return undefined
}
