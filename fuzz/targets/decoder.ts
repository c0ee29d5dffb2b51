import { isDeepStrictEqual } from 'node:util'
import { AttestationError } from '#src/attestation/index.js'
import { type Codec, DecodeError, decode, encode } from '#src/bytes/index.js'
import { KeyExchangeError } from '#src/crypto/index.js'
import { MalformedEvidence, MissingEndorsement } from '#src/evidence/index.js'
import { ProtocolError } from '#src/handshake/index.js'
import { MessageError } from '#src/rats/index.js'
import { PolicyError } from '#src/verifier/index.js'
import { CertificateError } from '#src/x509/index.js'
import { checkSentence, type Form, gist, type Target, Violation } from '../target.js'

/** A function that takes bytes apart, and what has to be true of it. */
export interface DecoderOptions<T> {
  readonly name: string
  readonly form: Form
  readonly weight?: number
  readonly seeds: () => Promise<readonly Uint8Array[]> | readonly Uint8Array[]
  readonly decode: (bytes: Uint8Array) => T | Promise<T>
  /** Puts it together again: it has to decode to the same. */
  readonly encode?: (value: T) => Uint8Array
  /** There is one way to write each value: what decodes is encoded to the same bytes. */
  readonly isCanonical?: boolean
  /** What else is true of a value that was decoded. @throws Violation */
  readonly check?: (value: T, bytes: Uint8Array) => void
  /** What a value is like, if some are unlike others in ways worth looking for. */
  readonly describe?: (value: T) => string
}

/** The target that a decoder is: it may refuse, with an error of the kinds that are declared. */
export function decoder<T>(options: DecoderOptions<T>): Target {
  const { name, form, weight = 1, seeds, decode, describe = () => '' } = options
  return {
    name,
    form,
    weight,
    seeds,
    async run(bytes) {
      let value: T
      try {
        value = await decode(bytes)
      } catch (error) {
        return refusal(error)
      }
      await checkRoundTrip(options, value, bytes)
      options.check?.(value, bytes)
      return `taken ${describe(value)}`
    },
  }
}

/** The target that a codec is, which writes each value in one way. */
export function codecTarget<T>(name: string, codec: Codec<T>, values: readonly T[]): Target {
  return decoder({
    name,
    form: 'binary',
    seeds: () => values.map(value => encode(codec, value)),
    decode: bytes => decode(codec, bytes),
    encode: value => encode(codec, value),
    isCanonical: true,
  })
}

/** What a refusal comes to. @throws what is no refusal */
export function refusal(error: unknown): string {
  if (!REFUSALS.some(refused => error instanceof refused)) throw error
  checkSentence(error)
  return gist(error)
}

const REFUSALS = [
  AttestationError,
  DecodeError,
  ProtocolError,
  CertificateError,
  MessageError,
  MalformedEvidence,
  MissingEndorsement,
  PolicyError,
  KeyExchangeError,
]

async function checkRoundTrip<T>(options: DecoderOptions<T>, value: T, bytes: Uint8Array): Promise<void> {
  const { encode, decode, isCanonical } = options
  if (!encode) return
  const encoded = encode(value)
  if (isCanonical && !Buffer.from(encoded).equals(bytes)) {
    throw new Violation('what was decoded is encoded to other bytes, although there is one way to write it')
  }
  if (!isDeepStrictEqual(await decode(encoded), value)) throw new Violation('what was decoded does not come back')
}
