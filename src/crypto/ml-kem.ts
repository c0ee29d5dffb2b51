import type { KeyObject } from 'node:crypto'
import * as nodeCrypto from 'node:crypto'
import { ml_kem768, ml_kem1024 } from '@noble/post-quantum/ml-kem.js'
import { plain } from './plain.js'

/** ML-KEM (FIPS 203) with one set of parameters. */
export interface MlKem {
  readonly isNative: boolean
  readonly encapsulationKeyLength: number
  readonly ciphertextLength: number
  generate(): { readonly encapsulationKey: Uint8Array; decapsulate(ciphertext: Uint8Array): Uint8Array }
  /** @returns null if the key fails the checks of FIPS 203 §7.2 */
  encapsulate(encapsulationKey: Uint8Array): { ciphertext: Uint8Array; sharedSecret: Uint8Array } | null
}

/** Lengths in bytes (FIPS 203 §8). */
type Lengths = Pick<MlKem, 'encapsulationKeyLength' | 'ciphertextLength'>
const LENGTHS_768: Lengths = { encapsulationKeyLength: 1184, ciphertextLength: 1088 }
const LENGTHS_1024: Lengths = { encapsulationKeyLength: 1568, ciphertextLength: 1568 }

type KemName = 'ml-kem-768' | 'ml-kem-1024'

/** The parts of node:crypto that Node has from 24 on, and that @types/node for 20 does not know. */
interface NativeKem {
  encapsulate(key: KeyObject): { sharedKey: Uint8Array; ciphertext: Uint8Array }
  decapsulate(key: KeyObject, ciphertext: Uint8Array): Uint8Array
  generateKeyPairSync(type: KemName): { publicKey: KeyObject; privateKey: KeyObject }
  createPublicKey(key: { key: Uint8Array; format: 'raw-public'; asymmetricKeyType: KemName }): KeyObject
}

/** ML-KEM-768: Node's own where it has one, noble's elsewhere (twenty times slower). */
export const mlKem768: MlKem = native('ml-kem-768', LENGTHS_768) ?? noble(ml_kem768, LENGTHS_768)
/** ML-KEM-1024, likewise. */
export const mlKem1024: MlKem = native('ml-kem-1024', LENGTHS_1024) ?? noble(ml_kem1024, LENGTHS_1024)

function native(name: KemName, lengths: Lengths): MlKem | undefined {
  const node = nodeCrypto as unknown as NativeKem
  if (typeof node.encapsulate !== 'function') return undefined
  const importKey = (key: Uint8Array) => node.createPublicKey({ key, format: 'raw-public', asymmetricKeyType: name })
  const generate = () => {
    const { publicKey, privateKey } = node.generateKeyPairSync(name)
    const encapsulationKey = (publicKey.export as unknown as (o: object) => Uint8Array)({ format: 'raw-public' })
    return {
      encapsulationKey,
      decapsulate: (ciphertext: Uint8Array) => plain(node.decapsulate(privateKey, ciphertext)),
    }
  }
  try {
    importKey(generate().encapsulationKey)
  } catch {
    // The first releases with ML-KEM have no raw keys.
    return undefined
  }
  return {
    isNative: true,
    ...lengths,
    generate,
    encapsulate(encapsulationKey) {
      try {
        const { ciphertext, sharedKey } = node.encapsulate(importKey(encapsulationKey))
        return { ciphertext, sharedSecret: plain(sharedKey) }
      } catch {
        return null
      }
    },
  }
}

function noble(kem: typeof ml_kem768, lengths: Lengths): MlKem {
  return {
    isNative: false,
    ...lengths,
    generate() {
      const { publicKey, secretKey } = kem.keygen()
      return {
        encapsulationKey: publicKey,
        decapsulate: ciphertext => kem.decapsulate(ciphertext, secretKey),
      }
    },
    encapsulate(encapsulationKey) {
      try {
        const { cipherText, sharedSecret } = kem.encapsulate(encapsulationKey)
        return { ciphertext: cipherText, sharedSecret }
      } catch {
        return null
      }
    },
  }
}
