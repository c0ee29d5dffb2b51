/** When our writing keys are replaced (RFC 9147 §8). One key_update is on its way at a time. It waits until everything
 *  before it has been acknowledged, and what comes after it waits for the keys that it brings: it is the last message of
 *  its epoch. */
export class KeyUpdates {
  #isWanted = false
  #isOwed = false
  #isSent = false
  #requestsPeer = false
  #hasAsked = false
  #held: Outgoing[] = []

  /** The keys are to be replaced. While they are being replaced this does nothing.
   *  @param requestsPeer whether the peer is to replace its own too */
  want(requestsPeer: boolean): void {
    if (this.#isSent) return
    this.#isWanted = true
    this.#requestsPeer ||= requestsPeer
  }

  /** The peer is to replace its keys; it is asked once. */
  wantPeers(): void {
    if (!this.#hasAsked) this.want(true)
  }

  /** The peer replaces its keys.   @param requestsUs whether we are to replace ours too */
  readPeers(requestsUs: boolean): void {
    this.#hasAsked = false
    this.#isOwed ||= requestsUs
  }

  /** There is application data to write: before it the peer gets what it has asked for (RFC 8446 §4.6.3). One that is on
   *  its way may have been sent before it asked.   @returns whether it has asked */
  answer(): boolean {
    const isOwed = this.#isOwed
    this.#isWanted ||= isOwed
    this.#isOwed = false
    return isOwed
  }

  /** The key_update that is to be sent now, if any.   @param isIdle whether everything has been acknowledged */
  take(isIdle: boolean): { readonly requestUpdate: boolean } | undefined {
    if (!this.#isWanted || this.#isSent || !isIdle) return undefined
    const requestUpdate = this.#requestsPeer
    this.#isWanted = false
    this.#isSent = true
    this.#hasAsked ||= requestUpdate
    this.#requestsPeer = false
    return { requestUpdate }
  }

  /** Keeps a message until there are new keys. @returns whether it has to wait for them */
  hold(outgoing: Outgoing): boolean {
    if (this.#isSent) this.#held.push(outgoing)
    return this.#isSent
  }

  /** There are new keys. @returns what has waited for them */
  done(): readonly Outgoing[] {
    const held = this.#held
    this.#held = []
    this.#isSent = false
    return held
  }
}

/** A message that is to be sent. */
export interface Outgoing {
  readonly message: Uint8Array
  /** Called when the peer has got it. */
  readonly onAcknowledged?: () => void
}
