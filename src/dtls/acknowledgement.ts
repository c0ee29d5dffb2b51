import { decode, encode, struct, uint64, vector } from '../bytes/index.js'
import type { RecordNumber } from './record.js'

/** ACK (RFC 9147 §7). */
const Acknowledgement = struct({
  recordNumbers: vector(struct({ epoch: uint64, sequenceNumber: uint64 }), 0, 0xffff),
})

/** The content of an ACK record. Numbers are sorted, as RFC 9147 §7 asks. */
export function encodeAcknowledgement(numbers: readonly RecordNumber[]): Uint8Array {
  const sorted = [...numbers].sort((a, b) => a.epoch - b.epoch || a.sequenceNumber - b.sequenceNumber)
  return encode(Acknowledgement, {
    recordNumbers: sorted.map(({ epoch, sequenceNumber }) => ({
      epoch: BigInt(epoch),
      sequenceNumber: BigInt(sequenceNumber),
    })),
  })
}

/** @throws DecodeError */
export function decodeAcknowledgement(content: Uint8Array): readonly RecordNumber[] {
  // Numbers that a double cannot tell apart are none of ours.
  return decode(Acknowledgement, content).recordNumbers.map(({ epoch, sequenceNumber }) => ({
    epoch: Number(epoch),
    sequenceNumber: Number(sequenceNumber),
  }))
}
