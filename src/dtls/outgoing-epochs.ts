import type { OutgoingEpoch } from './outgoing-epoch.js'

/** Our epochs, from the newest that the peer can read for sure to the one that we write in. A server goes on to its
 *  application keys while the client may not even have its ServerHello. */
export class OutgoingEpochs {
  #epochs: readonly [OutgoingEpoch, ...OutgoingEpoch[]]

  constructor(first: OutgoingEpoch) {
    this.#epochs = [first]
  }

  /** The one that we write in. */
  get current(): OutgoingEpoch {
    return this.#epochs.at(-1) ?? this.readable
  }

  /** The newest that the peer can read for sure. */
  get readable(): OutgoingEpoch {
    return this.#epochs[0]
  }

  /** Whether the peer can read what we write now. */
  get isCurrentReadable(): boolean {
    return this.#epochs.length === 1
  }

  /** Goes on to another. @param isReadable whether the peer has shown that it can read it */
  add(epoch: OutgoingEpoch, isReadable: boolean): void {
    this.#epochs = isReadable ? [epoch] : [...this.#epochs, epoch]
  }

  /** The peer can read the epoch of that number. */
  confirm(number: number): void {
    const [first, ...others] = this.#epochs.filter(epoch => epoch.number >= number)
    if (first) this.#epochs = [first, ...others]
  }

  /** Nothing more is written: the keys are overwritten. */
  wipe(): void {
    for (const epoch of this.#epochs) epoch.wipe()
  }
}
