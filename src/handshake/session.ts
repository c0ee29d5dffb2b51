import {
  type Codec,
  DecodeError,
  decode,
  EMPTY,
  encode,
  opaque,
  struct,
  type TypeOf,
  uint8,
  uint16,
  uint32,
  uint64,
  utf8,
  vector,
} from '../bytes/index.js'

/** A codec for text that may be missing: an absent one is empty. */
const optionalText: Codec<string | undefined> = {
  read(r) {
    const text = decoder.decode(text255.read(r))
    return text === '' ? undefined : text
  },
  write: (w, value) => text255.write(w, value === undefined ? EMPTY : utf8(value)),
}
const text255 = opaque(0, 0xffff)
const decoder = new TextDecoder()

/** The credential of a peer, as kept in sessions. */
const Chain = vector(opaque(1, 0xff_ffff), 0, 0xff_ffff)

/** What was encoded by another version of this is nothing to us. */
function versioned<T>(codec: Codec<T>): Codec<T> {
  return {
    read(r) {
      if (r.uint16() !== VERSION) throw new DecodeError('the state is of another version')
      return codec.read(r)
    },
    write(w, value) {
      w.uint16(VERSION)
      codec.write(w, value)
    },
  }
}
const VERSION = 0x0103

/** What both sides keep of the handshake that a session began with. */
const handshakeFields = {
  /** When it was, in ms since 1970. */
  authenticatedAt: uint64,
  lifetimeSeconds: uint32,
  serverName: optionalText,
  alpn: optionalText,
  certificateType: uint8,
  /** The peer's credential; empty if it did not authenticate. */
  peerChain: Chain,
  plugState: opaque(0, 0xffff),
}

/** What a client keeps to resume a session (RFC 8446 §4.6.1). Secret: who has it can resume the session. */
const SessionState = versioned(
  struct({
    /** ProtocolVersion of the connection: TLS and DTLS do not resume each other's sessions. */
    protocolVersion: uint16,
    cipherSuite: uint16,
    psk: opaque(32, 64),
    ticket: opaque(1, 0xffff),
    ticketAgeAdd: uint32,
    /** max_early_data_size of the ticket; 0: no early data. */
    maxEarlyData: uint32,
    /** ms since 1970 */
    receivedAt: uint64,
    ...handshakeFields,
  }),
)
/** What a client keeps of a connection to resume it later. */
export type Session = TypeOf<typeof SessionState>

/** A session as bytes, for a store outside the process. Keep them as secret as a private key. */
export function encodeSession(session: Session): Uint8Array {
  return encode(SessionState, session)
}

/** @returns null if the bytes are no session of this version */
export function decodeSession(bytes: Uint8Array): Session | null {
  try {
    return decode(SessionState, new Uint8Array(bytes))
  } catch {
    return null
  }
}

/** What a server puts into a ticket: everything it needs to resume, so that it keeps nothing itself. */
const TicketStateCodec = versioned(
  struct({
    /** ProtocolVersion of the connection. */
    protocolVersion: uint16,
    cipherSuite: uint16,
    psk: opaque(32, 64),
    ticketAgeAdd: uint32,
    /** max_early_data_size of the ticket; 0: no early data. */
    maxEarlyData: uint32,
    /** ms since 1970 */
    issuedAt: uint64,
    ...handshakeFields,
  }),
)
/** What a server finds in a ticket again. */
export type TicketState = TypeOf<typeof TicketStateCodec>

/** The state as bytes, to be sealed into a ticket. */
export function encodeTicketState(state: TicketState): Uint8Array {
  return encode(TicketStateCodec, state)
}

/** @returns null if the bytes are no ticket state of this version */
export function decodeTicketState(bytes: Uint8Array): TicketState | null {
  try {
    return decode(TicketStateCodec, bytes)
  } catch {
    return null
  }
}

/** No plug state. */
export const NO_STATE = EMPTY

/** How long after its first handshake a session may be resumed, in seconds. Each resumption brings new tickets, so that
 *  without a limit the first signature of a peer would do for ever (RFC 8446 §4.6.1). */
export const MAX_SESSION_SECONDS = 604_800
