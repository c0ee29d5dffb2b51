import { checked, opaque, struct, type TypeOf, uint8, uint32 } from '../../bytes/index.js'

/** What an `atls_control` message is. */
export const ControlKind = {
  /** An authenticator request (RFC 9261 §4). */
  request: 1,
  /** An authenticator, the empty one included (RFC 9261 §5). */
  authenticator: 2,
  /** The Relying Party accepts: a MAC over what it accepts. */
  accept: 3,
  /** The Relying Party refuses: an AlertDescription. */
  reject: 4,
} as const

/** A handshake message of the profile `hardened`, after the handshake. */
export const ControlMessage = struct({
  kind: checked(uint8, kind => kind >= 1 && kind <= 4, 'the kind of an atls_control message is not known'),
  seq: uint32,
  body: opaque(0, 2 ** 24 - 8),
})
export type ControlMessage = TypeOf<typeof ControlMessage>
