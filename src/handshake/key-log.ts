import { hex } from '../bytes/index.js'

/** Collects secrets in the NSS key log format (draft-ietf-tls-keylogfile §1), when it is asked to. */
export class KeyLog {
  readonly #isOn: boolean
  #random = ''
  #lines: string[] = []

  constructor(isOn: boolean) {
    this.#isOn = isOn
  }

  /** The random of the ClientHello: what the lines are found by. */
  begin(clientRandom: Uint8Array): void {
    if (this.#isOn) this.#random = hex(clientRandom)
  }

  add(label: string, secret: { export(): Uint8Array }): void {
    if (this.#isOn) this.#lines.push(`${label} ${this.#random} ${hex(secret.export())}`)
  }

  /** The lines since the last call, without line ends. */
  take(): readonly string[] {
    const lines = this.#lines
    if (lines.length > 0) this.#lines = []
    return lines
  }
}
