import { DecodeError, Reader } from '../bytes/index.js'

/** A part of a handshake message as it stands in a record (RFC 9147 §5.2). */
export interface Fragment {
  readonly type: number
  /** Of the body of the whole message. */
  readonly length: number
  readonly messageSeq: number
  readonly offset: number
  readonly data: Uint8Array
}

/*
 * RFC 9147 §5.2:
 *     struct {
 *         HandshakeType msg_type;    handshake type
 *         uint24 length;             bytes in message
 *         uint16 message_seq;        DTLS-required field
 *         uint24 fragment_offset;    DTLS-required field
 *         uint24 fragment_length;    DTLS-required field
 *         select (msg_type) { ... } body;
 *     } Handshake;
 */
/** The fragments in the content of a handshake record; there is at least one. @throws DecodeError */
export function readFragments(content: Uint8Array): readonly Fragment[] {
  const reader = new Reader(content)
  const fragments: Fragment[] = []
  do {
    const type = reader.uint8()
    const length = reader.uint24()
    const messageSeq = reader.uint16()
    const offset = reader.uint24()
    const data = reader.bytes(reader.uint24())
    if (offset + data.length > length) throw new DecodeError('a fragment goes beyond the end of its message')
    fragments.push({ type, length, messageSeq, offset, data })
  } while (!reader.isAtEnd)
  return fragments
}

/** Writes a fragment. @returns where it ends in `output` */
export function writeFragment({ type, length, messageSeq, offset, data }: Fragment, output: Uint8Array, at: number) {
  const view = new DataView(output.buffer, output.byteOffset + at, FRAGMENT_HEADER_LENGTH)
  view.setUint32(0, length)
  view.setUint8(0, type)
  view.setUint16(4, messageSeq)
  view.setUint8(6, offset >>> 16)
  view.setUint16(7, offset & 0xffff)
  view.setUint8(9, data.length >>> 16)
  view.setUint16(10, data.length & 0xffff)
  output.set(data, at + FRAGMENT_HEADER_LENGTH)
  return at + FRAGMENT_HEADER_LENGTH + data.length
}

/** Bytes of a fragment's header. */
export const FRAGMENT_HEADER_LENGTH = 12
