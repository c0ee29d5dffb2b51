import type { KeyObject } from 'node:crypto'
import * as nodeCrypto from 'node:crypto'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'

/** ML-KEM-768 (FIPS 203). */
export interface MlKem {
  readonly isNative: boolean
  readonly encapsulationKeyLength: 1184
  readonly ciphertextLength: 1088
  generate(): { readonly encapsulationKey: Uint8Array; decapsulate(ciphertext: Uint8Array): Uint8Array }
  /** @returns null if the key fails the checks of FIPS 203 §7.2 */
  encapsulate(encapsulationKey: Uint8Array): { ciphertext: Uint8Array; sharedSecret: Uint8Array } | null
}

/** The parts of node:crypto that Node has from 24 on, and that @types/node for 20 does not know. */
interface NativeKem {
  encapsulate(key: KeyObject): { sharedKey: Uint8Array; ciphertext: Uint8Array }
  decapsulate(key: KeyObject, ciphertext: Uint8Array): Uint8Array
  generateKeyPairSync(type: 'ml-kem-768'): { publicKey: KeyObject; privateKey: KeyObject }
  createPublicKey(key: { key: Uint8Array; format: 'raw-public'; asymmetricKeyType: 'ml-kem-768' }): KeyObject
}

/** Node's own ML-KEM where it has one, noble's elsewhere (twenty times slower). */
export const mlKem768: MlKem = native() ?? noble()

function native(): MlKem | undefined {
  const node = nodeCrypto as unknown as NativeKem
  if (typeof node.encapsulate !== 'function') return undefined
  const importKey = (key: Uint8Array) =>
    node.createPublicKey({ key, format: 'raw-public', asymmetricKeyType: 'ml-kem-768' })
  const generate = () => {
    const { publicKey, privateKey } = node.generateKeyPairSync('ml-kem-768')
    const encapsulationKey = (publicKey.export as unknown as (o: object) => Uint8Array)({ format: 'raw-public' })
    return { encapsulationKey, decapsulate: (ciphertext: Uint8Array) => node.decapsulate(privateKey, ciphertext) }
  }
  try {
    importKey(generate().encapsulationKey)
  } catch {
    // The first releases with ML-KEM have no raw keys.
    return undefined
  }
  return {
    isNative: true,
    encapsulationKeyLength: 1184,
    ciphertextLength: 1088,
    generate,
    encapsulate(encapsulationKey) {
      try {
        const { ciphertext, sharedKey } = node.encapsulate(importKey(encapsulationKey))
        return { ciphertext, sharedSecret: sharedKey }
      } catch {
        return null
      }
    },
  }
}

function noble(): MlKem {
  return {
    isNative: false,
    encapsulationKeyLength: 1184,
    ciphertextLength: 1088,
    generate() {
      const { publicKey, secretKey } = ml_kem768.keygen()
      return {
        encapsulationKey: publicKey,
        decapsulate: ciphertext => ml_kem768.decapsulate(ciphertext, secretKey),
      }
    },
    encapsulate(encapsulationKey) {
      try {
        const { cipherText, sharedSecret } = ml_kem768.encapsulate(encapsulationKey)
        return { ciphertext: cipherText, sharedSecret }
      } catch {
        return null
      }
    },
  }
}
