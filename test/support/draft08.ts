import type { AttestationOptions } from '#src/attestation/index.js'

/** The profile `draft08`, as who knows what it is asks for it. */
export const draft08 = {
  profile: 'draft08',
  acceptDraft08Risks: ['relay', 'replay', 'diversion'],
  warn: () => undefined,
} as const satisfies AttestationOptions

/** What every peer of the fake Verifiers says of itself: who it has to be where it comes without a certificate. */
export const inLab = { claims: { place: 'lab' } } as const

/** Options under the profile `draft08` unless they name another, with an identity where one is wanted. */
export function draft08Unless(options: AttestationOptions): AttestationOptions {
  if (options.profile === 'hardened') return options
  const isAlone = options.verifier && options.peerCredentials?.includes('attestation-only')
  return { ...draft08, ...(isAlone && { expectedIdentity: inLab }), ...options }
}
