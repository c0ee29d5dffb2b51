import {
  type AttestationResult,
  type EarAppraisal,
  type EarForm,
  earMediaType,
  Indicator,
  LATEST_EAR_PROFILE,
  type MessageSigner,
  makeEar,
} from '../rats/index.js'
import { claimsToMap } from './claims.js'

/** Signs results, so that Attesters can present them to those who trust this Verifier. */
export class ResultIssuer {
  readonly #signer: MessageSigner
  readonly #form: EarForm

  constructor(signer: MessageSigner, form: EarForm) {
    this.#signer = signer
    this.#form = form
  }

  /** The same result with a token: an EAR with a submodule for every platform. */
  async signed(result: AttestationResult, signal: AbortSignal): Promise<AttestationResult> {
    const { status, issuedAt, expiresAt, challenge } = result
    const submodules = Object.entries(result.submodules).map(([name]) => [name, appraisalOf(result, name)] as const)
    const ear = {
      profile: LATEST_EAR_PROFILE,
      issuedAt,
      ...(expiresAt !== null && { expiresAt }),
      verifier: VERIFIER_ID,
      status,
      ...(challenge && challenge.length >= 8 && challenge.length <= 64 && { nonce: challenge }),
      submodules: new Map(submodules),
    }
    const value = await makeEar(ear, this.#signer, this.#form, signal)
    const type = earMediaType(this.#form)
    return { ...result, token: { kind: 'record', type, value, indicators: Indicator.attestationResults } }
  }
}

function appraisalOf(result: AttestationResult, name: string): EarAppraisal {
  const { vector = {}, policyIds = [], status = 'none', claims = {} } = result.submodules[name] ?? {}
  const attesterClaims = claimsToMap(claims)
  const isFirst = Object.keys(result.submodules)[0] === name
  const isSound = result.checks.every(({ passed }) => passed)
  return {
    // A check that no vector speaks of can have failed too: then nobody else may take the result for a good one.
    status: isSound || status === 'none' ? status : 'contraindicated',
    ...(Object.keys(vector).length > 0 && { vector }),
    policyIds,
    ...(attesterClaims.size > 0 && { attesterClaims }),
    // One appraisal speaks for the key, and only if all of them are good.
    ...(isSound && result.attestedKey && isFirst && { attestedKey: result.attestedKey }),
    ...(result.isSimulated && { verifierClaims: new Map([['simulated', true]]) }),
  }
}

const VERIFIER_ID = { developer: 'https://attested-tls.dev', build: 'attested-tls embedded verifier' }
