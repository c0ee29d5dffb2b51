import { generateKeyPairSync } from 'node:crypto'
import {
  measured,
  type PlatformKey,
  SimulatedAttester,
  type SimulatedPlatformOptions,
  SimulatedRoot,
} from '#src/attester/index.js'
import { hex, utf8 } from '#src/bytes/index.js'
import { hash, type SigningKey, signingKey, systemEntropy } from '#src/crypto/index.js'
import type { AttestationResult, Attester, Cmw, IdentityKey, Verifier } from '#src/rats/index.js'
import { type EmbeddedVerifierOptions, embeddedVerifier, Policy, type PolicyDocument } from '#src/verifier/index.js'

/** The time at which everything in these tests happens, unless a test says another: ms since 1970. */
export const NOON = Date.UTC(2026, 10, 24, 12)

export const root = SimulatedRoot.create({ now: NOON })
export const machine: PlatformKey = root.issue('machine')
export const workload = measured('workload', utf8('a shop'), '1.4.2')
export const firmware = measured('firmware', utf8('a boot loader'), '7')

/** A policy that allows the workload and the firmware above. */
export const document: PolicyDocument = {
  version: 1,
  name: 'shop',
  platforms: [
    {
      kind: 'simulated',
      measurements: [
        { name: 'release 1.4.2', values: { workload: hex(workload.measurement), firmware: hex(firmware.measurement) } },
      ],
    },
  ],
}

/** A key on P-256 that signs. */
export function newKey(): SigningKey {
  return signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
}

/** What Evidence has to speak for. */
export function identityOf({ publicKey: { spki } }: SigningKey): IdentityKey {
  return { spki, id: hash('sha256', spki) }
}

export function attesterOf(options: Partial<SimulatedPlatformOptions> = {}): SimulatedAttester {
  return new SimulatedAttester({ platform: machine, components: [workload, firmware], ...options })
}

/** A Verifier that trusts the simulated platforms above, as only a test may. */
export function verifierOf(options: Partial<EmbeddedVerifierOptions> = {}): Verifier {
  return embeddedVerifier({
    policy: Policy.from(document, 'shop.json'),
    now: () => NOON,
    entropy: systemEntropy,
    roots: { simulated: [root.pem] },
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => undefined,
    ...options,
  })
}

/** A signal that never fires. */
export const patient: AbortSignal = new AbortController().signal

/** One appraisal, from nonce to result.
 *  @param change stands between the attester and the Verifier */
export async function appraise(
  parts: {
    readonly attester?: Attester
    readonly verifier?: Verifier
    readonly type?: string
    readonly key?: IdentityKey
    readonly expectedKey?: IdentityKey | null
  } = {},
  change: (evidence: Cmw) => Cmw = evidence => evidence,
): Promise<AttestationResult> {
  const { attester = attesterOf(), verifier = verifierOf(), key = someKey } = parts
  const { type = attester.evidenceTypes[0] ?? '', expectedKey = key } = parts
  const session = await verifier.newSession({ signal: patient })
  const { nonce: challenge } = session
  const evidence = await attester.evidence({ type, challenge, key, signal: patient })
  return session.appraise({ message: change(evidence), challenge, key: expectedKey, signal: patient })
}

export const someKey = identityOf(newKey())

/** The names of the checks that failed. */
export function failures(result: AttestationResult): readonly string[] {
  return result.checks.filter(({ passed }) => !passed).map(({ name }) => name)
}
