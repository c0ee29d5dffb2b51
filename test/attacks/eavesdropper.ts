import { answerKeyShare, systemEntropy } from '#src/crypto/index.js'
import type { Plug } from '#src/handshake/index.js'
import type { EndOptions } from '../attestation/support.js'

/** A server that tells its secrets: what its ephemeral key came to, and every message of its handshake. */
export class Eavesdropper {
  /** The (EC)DHE secret. */
  secret = new Uint8Array()
  /** Handshake messages with their headers, in the order of the transcript. */
  readonly messages: Uint8Array[] = []

  /** Options of the end that is overheard. */
  on(end: EndOptions): EndOptions {
    const { alterPlug = (plug: Plug) => plug } = end
    return {
      ...end,
      server: {
        ...end.server,
        entropy: {
          ...systemEntropy,
          answerKeyShare: (group, peer) => {
            const answer = answerKeyShare(group, peer)
            this.secret = answer.secret.slice()
            return answer
          },
        },
      },
      alterPlug: plug => ({
        ...alterPlug(plug),
        observe: (_direction, { raw }) => void this.messages.push(Uint8Array.from(raw)),
      }),
    }
  }

  /** The messages up to the first of a type, which is among them; of a HelloRetryRequest the one after it. */
  until(type: number): readonly Uint8Array[] {
    const isHello = (message: Uint8Array) => message[0] === type
    const last = type === SERVER_HELLO ? this.messages.findLastIndex(isHello) : this.messages.findIndex(isHello)
    return this.messages.slice(0, last + 1)
  }
}
const SERVER_HELLO = 2
