import { type Codec, EMPTY, fixed, opaque, struct, uint16, vector } from '../bytes/index.js'
import { ProtocolError } from './alert.js'
import type { LabelPrefix } from './key-schedule.js'
import { ClientHello, helloExtensions } from './messages.js'

/** What is not the same in the handshakes of TLS 1.3 and DTLS 1.3. The layer below says which one it carries; all the
 *  rest of the handshake is the same code for both. */
export interface Protocol {
  readonly name: 'TLS 1.3' | 'DTLS 1.3'
  /** What supported_versions says (RFC 8446 §4.2.1, RFC 9147 §5.3). */
  readonly version: number
  /** What legacy_version says in both hellos. */
  readonly legacyVersion: number
  /** The start of every label of the key schedule. */
  readonly labelPrefix: LabelPrefix
  /** Whether legacy_session_id is echoed, and may be filled in to please middleboxes (RFC 8446 §D.4, RFC 9147 §5). */
  readonly hasSessionId: boolean
  /** Whether there is early data: RFC 9147 has it too, this engine does not. */
  readonly hasEarlyData: boolean
  readonly clientHello: Codec<ClientHello>
}

/** TLS 1.3 (RFC 8446). */
export const tls13: Protocol = {
  name: 'TLS 1.3',
  version: 0x0304,
  legacyVersion: 0x0303,
  labelPrefix: 'tls13 ',
  hasSessionId: true,
  hasEarlyData: true,
  clientHello: ClientHello,
}

/** The ClientHello of RFC 9147 §5.3, which has one field more. */
const DatagramClientHello = struct({
  legacyVersion: uint16,
  random: fixed(32),
  legacySessionId: opaque(0, 32),
  legacyCookie: opaque(0, 255),
  cipherSuites: vector(uint16, 2, 0xfffe),
  legacyCompressionMethods: opaque(1, 255),
  extensions: helloExtensions,
})

/** DTLS 1.3 (RFC 9147). */
export const dtls13: Protocol = {
  name: 'DTLS 1.3',
  version: 0xfefc,
  legacyVersion: 0xfefd,
  labelPrefix: 'dtls13',
  hasSessionId: false,
  hasEarlyData: false,
  clientHello: {
    read(r) {
      const hello = DatagramClientHello.read(r)
      // RFC 9147 §5.3: a client that could mean an older version sends none either, for we never send it one.
      if (hello.legacyCookie.length > 0) throw new ProtocolError('illegal_parameter', 'legacy_cookie is not empty')
      return hello
    },
    write: (w, hello) => DatagramClientHello.write(w, { ...hello, legacyCookie: EMPTY }),
  },
}
