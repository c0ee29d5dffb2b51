import { constants } from 'node:crypto'
import { systemEntropy } from '../crypto/index.js'
import { MisuseError, TICKET_KEY_LENGTH, TicketIssuer } from '../handshake/index.js'
import type { SecureContextOptions, TicketOptions } from './options.js'

/** The tickets of a server, and their keys as node:tls shows them. */
export class ServerTickets {
  /** undefined if sessions are not resumed. */
  readonly issuer: TicketIssuer | undefined
  readonly #checkSharing: () => void
  #keys: Uint8Array | undefined

  /** @param checkSharing throws a MisuseError where nobody else may have the keys   @throws MisuseError */
  constructor(
    { ticketKeys, sessionTimeout, secureOptions = 0 }: SecureContextOptions & TicketOptions,
    checkSharing: () => void,
  ) {
    this.#checkSharing = checkSharing
    this.#keys = ticketKeys && Uint8Array.from(ticketKeys)
    if (secureOptions & constants.SSL_OP_NO_TICKET) return
    this.issuer = new TicketIssuer(systemEntropy, {
      ...(ticketKeys && { keys: keysIn(ticketKeys) }),
      ...(sessionTimeout === undefined ? {} : { lifetimeSeconds: sessionTimeout }),
    })
  }

  /** The key material, 48 bytes per key. Who asks for it takes charge of it: from then on the keys stay as they are.
   *  @throws MisuseError */
  get keys(): Uint8Array {
    if (!this.#keys) this.keys = systemEntropy.bytes(TICKET_KEY_LENGTH)
    return this.#keys ?? new Uint8Array(0)
  }

  /** Replaces the keys: the first seals from now on, all of them open. @throws MisuseError */
  set keys(material: Uint8Array) {
    this.#checkSharing()
    this.issuer?.rotate(keysIn(material))
    this.#keys = Uint8Array.from(material)
  }
}

function keysIn(material: Uint8Array): readonly Uint8Array[] {
  const count = material.length / TICKET_KEY_LENGTH
  if (!Number.isInteger(count) || count < 1) {
    throw new MisuseError(
      `ticket keys have ${TICKET_KEY_LENGTH} bytes each, one after the other; ${material.length} bytes are none`,
    )
  }
  return Array.from({ length: count }, (_, i) =>
    Uint8Array.from(material.subarray(i * TICKET_KEY_LENGTH, (i + 1) * TICKET_KEY_LENGTH)),
  )
}
