import { concat } from '../../bytes/index.js'
import { type HashName, hash } from '../../crypto/index.js'

/** The hash functions that measurement registers are extended with. SHA-1 is for what old TPMs have recorded. */
export type RegisterHash = HashName | 'sha1'

/** One entry of a log of measurements: what was added to a register, and why. */
export interface LoggedEvent {
  /** The register: a PCR of a TPM, or an RTMR of a TD. */
  readonly register: number
  /** What kind of event it is (TCG PC Client Platform Firmware Profile, 10.4.1). */
  readonly type: number
  /** What the register was extended with, by hash. */
  readonly digests: ReadonlyMap<RegisterHash, Uint8Array>
  /** What was measured, or a description of it. Whether it belongs to the digest depends on the type. */
  readonly data: Uint8Array
}

/** Computes what the registers have to hold if the log is true: each starts at zero, and every event makes of it the
 *  hash of what it held and of the event's digest.
 *  @param start what registers hold before the first event, where that is not zero
 *  @returns the registers that the log extends, others not   @throws RangeError if an event has no digest of that hash */
export function replayLog(
  events: readonly LoggedEvent[],
  name: RegisterHash,
  start: ReadonlyMap<number, Uint8Array> = new Map(),
): ReadonlyMap<number, Uint8Array> {
  const registers = new Map<number, Uint8Array>()
  for (const { register, type, digests } of events) {
    // An event of no action says something about the log itself, and is in no register.
    if (type === EV_NO_ACTION) continue
    const digest = digests.get(name)
    if (!digest) throw new RangeError(`an event of register ${register} has no digest of ${name}`)
    const held = registers.get(register) ?? start.get(register) ?? new Uint8Array(digest.length)
    registers.set(register, hash(name, concat(held, digest)))
  }
  return registers
}

/** EV_NO_ACTION. */
export const EV_NO_ACTION = 3
