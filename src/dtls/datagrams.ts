import { join } from '../bytes/index.js'

/** Puts records into datagrams, as many into each as it may hold. */
export class Datagrams {
  #mtu: number
  #isKnown = false
  #complete: Uint8Array[] = []
  #records: Uint8Array[] = []
  #length = 0

  constructor(mtu: number) {
    this.#mtu = mtu
  }

  /** The largest datagram, in bytes. */
  get mtu(): number {
    return this.#mtu
  }

  /** The largest that the path takes, now that it is known. */
  set mtu(mtu: number) {
    this.#mtu = mtu
    this.#isKnown = true
  }

  /** Tries smaller ones, unless it is known what the path takes.   @param length of what does not come through: what fits into a smaller one did not fail for its
   *  size */
  shrink(length: number): void {
    const lower = LOWER_MTUS.find(mtu => mtu < this.#mtu)
    if (!this.#isKnown && lower !== undefined && length > lower / 2) this.#mtu = lower
  }

  /** How many bytes the datagram has room for that is being filled. */
  get room(): number {
    return this.#mtu - this.#length
  }

  add(record: Uint8Array): void {
    if (record.length > this.room) this.next()
    this.#records.push(record)
    this.#length += record.length
  }

  /** Begins another datagram. */
  next(): void {
    if (this.#length === 0) return
    const [first, ...more] = this.#records
    this.#complete.push(first && more.length === 0 ? first : join(this.#records))
    this.#records = []
    this.#length = 0
  }

  /** What there is, in order. */
  take(): readonly Uint8Array[] {
    this.next()
    const datagrams = this.#complete
    if (datagrams.length > 0) this.#complete = []
    return datagrams
  }
}

/** Datagrams that nearly every path takes: less than the least of IPv6, what tunnels leave of it, the least of IPv4, and
 *  half of that. */
const LOWER_MTUS = [1200, 1024, 548, 256] as const
