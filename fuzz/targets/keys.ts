import {
  answerKeyShare,
  brotliCompression,
  generateKeyShare,
  NamedGroup,
  PublicKey,
  type SignatureAlgorithm,
  schemeRow,
  zlibCompression,
} from '#src/crypto/index.js'
import { compressed, decompressed } from '#src/handshake/certificate-compression.js'
import { HandshakeType, type Message } from '#src/handshake/index.js'
import { kinds, messagesOf, rawMessage } from '../../test/support/hostile.js'
import { credentialFor } from '../../test/support/pair.js'
import { gist, type Target, Violation } from '../target.js'
import { decoder } from './decoder.js'

/** What of a peer's goes into cryptography, and into decompression. */
export const keyTargets: readonly Target[] = [
  ...Object.entries(NamedGroup).flatMap(([name, group]) => [
    decoder({
      name: `key-share:${name}`,
      form: 'binary',
      seeds: () => [generateKeyShare(group).keyExchange],
      decode: bytes => answerKeyShare(group, bytes).secret.length,
      describe: String,
    }),
    decoder({
      name: `key-share:${name}:answer`,
      form: 'binary',
      seeds: () => [answerKeyShare(group, generateKeyShare(group).keyExchange).keyExchange],
      decode: bytes => generateKeyShare(group).complete(bytes).length,
      describe: String,
    }),
  ]),
  spki(),
  ...(['p256', 'p384', 'p521', 'ed25519', 'rsa2048'] as const).map(signature),
  certificateCompression(),
]

/** Keys without certificates (RFC 7250), whose importing is OpenSSL's: it may complain as it likes, and no more. */
function spki(): Target {
  const keys = (['p256', 'p384', 'ed25519', 'rsa2048'] as const).map(kind => keyFor(kind).publicKey.spki)
  return {
    name: 'spki',
    form: 'der',
    seeds: () => keys,
    run(bytes) {
      let key: PublicKey
      try {
        key = PublicKey.fromSpki(bytes)
      } catch (error) {
        if (!(error instanceof Error)) throw error
        return gist(error)
      }
      if (!Buffer.from(key.spki).equals(bytes)) throw new Violation('a key has other bytes than it was made of')
      const { kind, modulusLength } = key
      key.verify({ kind: 'eddsa' }, bytes, bytes)
      if (kind !== 'other' && kind !== 'rsa-pss') void key.jwk
      return `taken ${kind} ${modulusLength === undefined ? '' : modulusLength < 2048}`
    },
  }
}

/** Signatures over something: the one that was made is right, and no other is anything but wrong. */
function signature(kind: 'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa2048'): Target {
  const data = new Uint8Array(48).fill(7)
  const { key } = credentialFor(`signature.${kind}`, kind)
  const [scheme = 0] = key.schemes
  const algorithm = schemeRow(scheme)?.algorithm as SignatureAlgorithm
  let made: Promise<Uint8Array> | undefined
  const genuine = () => {
    made ??= Promise.resolve(key.sign(scheme, data))
    return made
  }
  return {
    name: `signature:${kind}`,
    form: kind.startsWith('p') ? 'der' : 'binary',
    seeds: async () => [await genuine()],
    async run(bytes) {
      const isRight = key.publicKey.verify(algorithm, data, bytes)
      if (algorithm.kind === 'ecdsa') key.publicKey.verify({ ...algorithm, encoding: 'raw' }, data, bytes)
      if (isRight !== Buffer.from(await genuine()).equals(bytes)) {
        throw new Violation(`a signature is taken for ${isRight ? 'right' : 'wrong'}`)
      }
      return String(isRight)
    },
  }
}

/** Compressed certificates (RFC 8879). */
function certificateCompression(): Target {
  const config = { certificateCompression: [zlibCompression, brotliCompression], maxCertificateLength: 2 ** 16 }
  const certificates = (): readonly Uint8Array[] =>
    messagesOf('server', kinds.everything()).flatMap(({ type, raw }) =>
      type === HandshakeType.certificate ? [raw, rawMessage(type, new Uint8Array(60_000))] : [],
    )
  return decoder<Message>({
    name: 'certificate-compression',
    form: 'binary',
    weight: 2,
    seeds: () =>
      [zlibCompression, brotliCompression].flatMap(row =>
        certificates().map(raw =>
          compressed({ ...config, certificateCompression: [row] }, [row.algorithm], raw).subarray(4),
        ),
      ),
    decode: bytes => {
      const type = HandshakeType.compressed_certificate
      return decompressed(config, { type, body: bytes, raw: rawMessage(type, bytes) })
    },
    check({ type, body }) {
      if (type !== HandshakeType.certificate || body.length > config.maxCertificateLength) {
        throw new Violation(`${body.length} bytes came out as message ${type}`)
      }
    },
    describe: ({ body }) => String(body.length > 30_000),
  })
}

function keyFor(kind: 'p256' | 'p384' | 'ed25519' | 'rsa2048') {
  return credentialFor(`key.${kind}`, kind).key
}
