import { readFileSync } from 'node:fs'
import { type FetchingPresenter, type PresenterOptions, presenter } from '../attester/index.js'
import { PublicKey, systemEntropy } from '../crypto/index.js'
import { MisuseError } from '../handshake/index.js'
import type { Verifier } from '../rats/index.js'
import { type EmbeddedVerifierOptions, embeddedVerifier, Policy, type PolicyDocument } from '../verifier/index.js'
import { publicKeyIn } from './pem.js'

/** What `createVerifier` takes. */
export type VerifierOptions = Omit<EmbeddedVerifierOptions, 'policy' | 'issuers' | 'now' | 'entropy'> & {
  /** Who may be trusted: a policy, the document of one, or the path of a JSON file that holds it. */
  readonly policy: Policy | PolicyDocument | string
  /** Verifiers whose results peers may present (passport): the name that both sides know them by, and the public keys
   *  that they sign with, as PEM or SubjectPublicKeyInfo. */
  readonly issuers?: readonly {
    readonly identity: Uint8Array | string
    readonly keys: readonly (string | Uint8Array)[]
  }[]
}

/** A Verifier in this process, with its clock and its randomness: nothing leaves the process.
 *  @throws PolicyError with the place of what is wrong in the policy; RangeError or CertificateError for options that
 *  make no sense */
export function createVerifier(options: VerifierOptions): Verifier {
  const { policy, issuers = [], ...others } = options
  return embeddedVerifier({
    ...others,
    policy: policyOf(policy),
    issuers: issuers.map(({ identity, keys }) => ({
      identity: typeof identity === 'string' ? new TextEncoder().encode(identity) : identity,
      keys: keys.map(key => PublicKey.fromSpki(publicKeyIn(key))),
    })),
    now: Date.now,
    entropy: systemEntropy,
  })
}

/** A presenter of the passport model with the clock of this process. @throws RangeError */
export function createPresenter(options: Omit<PresenterOptions, 'now'>): FetchingPresenter {
  return presenter({ ...options, now: Date.now })
}

function policyOf(policy: VerifierOptions['policy']): Policy {
  if (policy instanceof Policy) return policy
  if (typeof policy === 'string' && /^\s*\{/.test(policy)) {
    throw new MisuseError('`policy` is the path of a file, and this is JSON: use `Policy.parse`', 'ERR_POLICY')
  }
  if (typeof policy === 'string') return Policy.parse(readFileSync(policy, 'utf8'), policy)
  return Policy.from(policy)
}
