import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute } from 'node:path'
import { arch, emitWarning, env, platform } from 'node:process'
import { fileURLToPath } from 'node:url'
import { EMPTY, equalBytes } from '../bytes/index.js'
import { type AeadAlgorithm, aeadAlgorithms, NONCE_LENGTH, TAG_LENGTH } from './aead-algorithm.js'
import { type AeadCipher, NodeAeadCipher } from './aead-cipher.js'
import { type HashName, hashLength } from './hash.js'
import { type HmacMaker, nodeHmac } from './hmac.js'
import { type NativeHelper, nativeCiphers, nativeHmac, nativeX25519 } from './native-helper.js'
import { nodeX25519, type X25519Maker } from './x25519.js'

/** What seals and opens the records of this process, and makes the HMACs of its key schedules and its X25519 keys. */
export interface CryptoImplementation {
  readonly name: 'node:crypto' | 'native'
  /** Why it is that one, for people. */
  readonly reason: string
  /** Where the native helper stands, or would stand if somebody had built it. */
  readonly file: string
}

/** What seals and opens the records of this process, makes its HMACs and its X25519 keys, and why.
 *  @throws Error if ATTESTED_TLS_NATIVE asks for what cannot be had */
export function cryptoImplementation(): CryptoImplementation {
  return chosenImplementation().implementation
}

/** What came of choosing. */
export interface Choice {
  readonly implementation: CryptoImplementation
  readonly cipherOf: (algorithm: AeadAlgorithm, key: Uint8Array) => AeadCipher
  readonly hmac: HmacMaker
  readonly x25519: X25519Maker
}

/** The choice of this process, made when the first key is. */
export function chosenImplementation(): Choice {
  chosen ??= chooseImplementation(env[SETTING])
  return chosen
}

let chosen: Choice | undefined
const SETTING = 'ATTESTED_TLS_NATIVE'

/** Where the native helper is looked for, and built. */
export const nativeHelperFile = fileURLToPath(
  new URL(`../../native/build/helper.${platform}-${arch}.node`, import.meta.url),
)

/** Chooses what seals and opens: the helper if it was built and nobody refuses it, node:crypto otherwise.
 *  @param setting `off`: never the helper; `require`: nothing else; an absolute path: nothing but the helper there;
 *  undefined or empty: the helper if it stands at `file`   @throws Error if the setting is none of these, or asks for what
 *  cannot be had */
export function chooseImplementation(setting: string | undefined, file = nativeHelperFile): Choice {
  if (!setting) return existsSync(file) ? tried(file) : byNode('the native helper was not built', file)
  if (setting === 'off') return byNode(`${SETTING} is off`, file)
  if (setting === 'require') return demanded(file)
  if (isAbsolute(setting)) return demanded(setting)
  throw new Error(`${SETTING} is \`off\`, \`require\`, an absolute path or not set, not \`${setting}\``)
}

function tried(file: string): Choice {
  try {
    return byHelper(file)
  } catch (error) {
    const reason = `the native helper cannot be used: ${error instanceof Error ? error.message : error}`
    // Somebody wanted it, and does not have it.
    emitWarning(`${reason}. node:crypto is used instead.`, 'NativeHelperWarning')
    return byNode(reason, file)
  }
}

function demanded(file: string): Choice {
  if (!existsSync(file)) throw new Error(`${SETTING} wants the native helper, but there is no ${file}`)
  try {
    return byHelper(file)
  } catch (cause) {
    throw new Error(`${SETTING} wants the native helper, but ${file} cannot be used`, { cause })
  }
}

function byHelper(file: string): Choice {
  const helper: NativeHelper = createRequire(import.meta.url)(file)
  const choice = {
    implementation: { name: 'native', reason: 'the native helper was built, and agrees with node:crypto', file },
    cipherOf: nativeCiphers(helper),
    hmac: nativeHmac(helper),
    x25519: nativeX25519(helper),
  } as const
  compareWithNode(choice)
  return choice
}

function byNode(reason: string, file: string): Choice {
  return {
    implementation: { name: 'node:crypto', reason, file },
    cipherOf: (algorithm, key) => new NodeAeadCipher(algorithm, key),
    hmac: nodeHmac,
    x25519: nodeX25519,
  }
}

/** A helper that was built for something else must not come to seal anything. @throws Error if it differs */
function compareWithNode({ cipherOf, hmac, x25519 }: Choice): void {
  for (const algorithm of Object.values(aeadAlgorithms)) {
    const key = Uint8Array.from({ length: algorithm.keyLength }, (_, i) => i + 1)
    const ciphers = [new NodeAeadCipher(algorithm, key), cipherOf(algorithm, key)]
    // Twice, as the second time the helper uses what it has made before.
    for (const nonce of [new Uint8Array(NONCE_LENGTH).fill(1), new Uint8Array(NONCE_LENGTH).fill(2)]) {
      const [expected = EMPTY, actual = EMPTY] = ciphers.map(cipher => {
        const sealed = new Uint8Array(SAMPLE.length + TAG_LENGTH)
        cipher.seal(nonce, HEADER, SAMPLE, sealed, 0)
        return sealed
      })
      const isSame = equalBytes(expected, actual)
      const isOpened = ciphers.every(cipher => equalBytes(cipher.open(nonce, HEADER, expected) ?? EMPTY, SAMPLE))
      const isRefused = ciphers.every(cipher => !cipher.open(nonce, SAMPLE, expected))
      if (!isSame || !isOpened || !isRefused) throw new Error(`it does not agree with node:crypto on ${algorithm.name}`)
    }
  }
  for (const hash of HASHES) {
    // Keys of no bytes, of less than a block, and of more than one.
    for (const key of [EMPTY, new Uint8Array(hashLength[hash]).fill(1), new Uint8Array(200).fill(2)]) {
      const expected = nodeHmac.mac(hash, nodeHmac.keyOf(key), SAMPLE)
      if (!equalBytes(expected, hmac.mac(hash, hmac.keyOf(key), SAMPLE))) {
        throw new Error(`it does not agree with node:crypto on HMAC with ${hash}`)
      }
    }
  }
  const [ours, theirs] = [x25519.generate(), nodeX25519.generate()]
  const [one, other] = [ours.agree(theirs.publicKey), theirs.agree(ours.publicKey)]
  const isRefused = x25519.generate().agree(new Uint8Array(32)) === null
  if (!one || !other || !equalBytes(one, other) || !isRefused) {
    throw new Error('it does not agree with node:crypto on X25519')
  }
}

const HASHES: readonly HashName[] = ['sha256', 'sha384', 'sha512']
const HEADER = Uint8Array.of(23, 3, 3, 0, 55)
/** No whole number of blocks. */
const SAMPLE = new Uint8Array(39).fill(7)
