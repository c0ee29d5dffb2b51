import { concat, rest } from '#src/bytes/index.js'
import { hash, hashLength, MacKey, type SigningKey } from '#src/crypto/index.js'
import { makeCertificateVerify } from '#src/handshake/certificate-verify.js'
import {
  defaultSignatureSchemes,
  type Established,
  encodeMessage,
  HandshakeType,
  Machine,
  type Message,
  MessageAssembler,
} from '#src/handshake/index.js'

/** Who makes an authenticator, and for which request. */
export interface AuthenticatorMaker {
  readonly side: 'client' | 'server'
  readonly established: Pick<Established, 'exporter' | 'suite'>
  readonly key: SigningKey
  /** The request, header included. */
  readonly request: Uint8Array
}

/** The messages in some bytes. @throws ProtocolError unless they are whole */
export function messagesIn(bytes: Uint8Array): readonly Message[] {
  const assembler = new MessageAssembler(() => 2 ** 24)
  assembler.add(Uint8Array.from(bytes))
  const messages: Message[] = []
  for (let message = assembler.take(); message; message = assembler.take()) {
    const raw = Uint8Array.from(message.raw)
    messages.push({ type: message.type, raw, body: raw.subarray(4) })
  }
  return messages
}

/** An authenticator (RFC 9261 §5.2) of somebody who holds the key and deviates: what comes after a message that is changed is
 *  made over what it was changed to, so that nobody is kept from looking into it.
 *  @param change what stands in for a message, which is counted from 0 */
export function deviatingAuthenticator(
  { side, established, key, request }: AuthenticatorMaker,
  certificate: Message,
  change: (message: Message, index: number) => Uint8Array,
): Uint8Array {
  const { exporter, suite } = established
  const derived = (what: string) =>
    exporter.derive(`EXPORTER-${side} authenticator ${what}`, new Uint8Array(0), hashLength[suite.hash])
  const handshakeContext = derived('handshake context')
  const finishedKey = new MacKey(suite.hash, derived('finished key'))
  const digest = (...messages: readonly Uint8Array[]) => hash(suite.hash, handshakeContext, request, ...messages)
  const sentCertificate = change(certificate, 0)
  const signing = new Machine(
    makeCertificateVerify('authenticator', key, defaultSignatureSchemes, digest(sentCertificate), {
      signal: new AbortController().signal,
    }),
  )
  signing.start()
  if (!signing.result) throw new Error('the key is not at hand')
  const sentSigned = change(messageOf(signing.result.value), 1)
  const verifyData = finishedKey.mac(digest(sentCertificate, sentSigned))
  const finished = encodeMessage(HandshakeType.finished, rest, verifyData)
  return concat(sentCertificate, sentSigned, change(messageOf(finished), 2))
}

function messageOf(raw: Uint8Array): Message {
  return { type: raw[0] ?? 0, raw, body: raw.subarray(4) }
}
