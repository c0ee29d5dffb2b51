import { ProtocolError } from '../handshake/index.js'

/** Counts what comes in a row that brings nothing: a peer that sends only that is up to no good. */
export class IdleCount {
  #counts = { messages: 0, records: 0, alerts: 0 }

  /** Something of use has come. */
  reset(): void {
    this.#counts = { messages: 0, records: 0, alerts: 0 }
  }

  /** @throws ProtocolError unexpected_message if it was one too many */
  count(what: keyof typeof LIMITS): void {
    if (++this.#counts[what] > LIMITS[what]) {
      throw new ProtocolError('unexpected_message', `the peer sends ${what} that bring nothing`)
    }
  }
}

const LIMITS = { messages: 32, records: 32, alerts: 4 } as const
