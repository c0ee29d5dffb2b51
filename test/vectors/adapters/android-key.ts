import { equalBytes } from '#src/bytes/index.js'
import {
  type AuthorizationList,
  androidKeyPlatform,
  FixedEndorsements,
  type KeyDescription,
  RootsByKind,
  securityLevels,
} from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { CertificateError, certificatesIn, parseCertificate } from '#src/x509/index.js'
import { booleanInput, bytesInput, type Facts, fileOf, type Outcome, type VectorCase } from '../adapter.js'
import { chainReasons } from '../chain-reasons.js'
import { rfc4514 } from '../names.js'

/** The chain of a key in an Android keystore. */
export function androidKey(vector: VectorCase): Outcome {
  if (vector.check === 'none') return rootsOnly(vector)
  const chain = fileOf(vector, 'chain')
  const roots = rootsOf(fileOf(vector, 'roots'))
  if ('outcome' in roots) return roots
  const acceptsUnmarkedCas = booleanInput(vector, 'lenient_ca', false)
  const at = vector.at ?? Number.NaN
  const broken = chainFailure(chain, roots, acceptsUnmarkedCas, at)
  if (broken) return broken
  try {
    const evidence = androidKeyPlatform.decode(chain)
    const { description } = evidence
    const endorsements = new FixedEndorsements({ androidKey: { acceptsUnmarkedCas } })
    const { findings } = androidKeyPlatform.checkOrigin(evidence, { roots, endorsements, at })
    const failure = findings.find(({ check }) => !check.passed)
    if (failure) {
      const { name, actual } = failure.check
      return { outcome: 'reject', reasons: [name, name.replaceAll('-', '_')], sentence: actual }
    }
    const level = securityLevels.indexOf(description.attestationSecurityLevel)
    if (level < Number(vector.inputs.min_security_level ?? 1)) {
      return { outcome: 'reject', reasons: ['security-level', 'security_level'], sentence: 'too low a level' }
    }
    const challenge = bytesInput(vector, 'expected_challenge')
    if (challenge && !equalBytes(androidKeyPlatform.challengeOf(evidence), challenge)) {
      return { outcome: 'reject', reasons: ['nonce-mismatch', 'challenge'], sentence: 'another challenge' }
    }
    return { outcome: 'accept', facts: { key_description: describe(description), chain: subjectsIn(chain) } }
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    return { outcome: 'reject', reasons: ['kd_ext', 'malformed'], sentence: error.message }
  }
}

/** A vector that has roots for other vectors: they can be read, or it is none. */
function rootsOnly(vector: VectorCase): Outcome {
  const roots = [...vector.files.values()].map(rootsOf)
  return roots.find(each => 'outcome' in each) ?? { outcome: 'accept', facts: {} }
}

function rootsOf(pem: Uint8Array): RootsByKind | Outcome {
  try {
    return new RootsByKind({ 'android-key': [pem] })
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    const reasons = ['untrusted-root', 'chain', 'root_key_trusted']
    return { outcome: 'reject', reasons, sentence: error.message }
  }
}

/** The chain comes first: what a certificate describes counts for nothing before. */
function chainFailure(
  chain: Uint8Array,
  roots: RootsByKind,
  acceptsUnmarkedCas: boolean,
  at: number,
): Outcome | undefined {
  try {
    const options = { trustsKeys: true, caMarks: acceptsUnmarkedCas ? 'ignored' : 'required' } as const
    roots.of('android-key').check({ pem: chain }, at, options)
    return undefined
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    return { outcome: 'reject', reasons: [...chainReasons(error.code), 'root_key_trusted'], sentence: error.message }
  }
}

function subjectsIn(chain: Uint8Array) {
  return certificatesIn(Buffer.from(chain).toString('latin1')).map(der => {
    const { subject, notBefore, notAfter } = parseCertificate(der)
    const validity = [notBefore, notAfter].map(time => new Date(time).toISOString().replace('.000Z', 'Z'))
    return { subject: rfc4514(subject), validity }
  })
}

/** In the words of Android's own attestation library: numbers as text, byte strings in base64. */
function describe(description: KeyDescription): Facts {
  return {
    attestationVersion: String(description.attestationVersion),
    attestationSecurityLevel: SECURITY_LEVELS[description.attestationSecurityLevel],
    keyMintVersion: String(description.keyMintVersion),
    keyMintSecurityLevel: SECURITY_LEVELS[description.keyMintSecurityLevel],
    attestationChallenge: base64(description.attestationChallenge),
    uniqueId: base64(description.uniqueId),
    softwareEnforced: listed(description.softwareEnforced),
    hardwareEnforced: listed(description.hardwareEnforced),
  }
}

const SECURITY_LEVELS = {
  software: 'SOFTWARE',
  'trusted-environment': 'TRUSTED_ENVIRONMENT',
  strongbox: 'STRONG_BOX',
} as const

function listed(list: AuthorizationList): Facts {
  const entries = Object.entries(list).map(([name, value]) => [NAMES[name] ?? name, inJson(name, value)])
  return Object.fromEntries(entries)
}

const NAMES: Readonly<Record<string, string>> = { algorithm: 'algorithms', mgfDigests: 'rsaOaepMgfDigests' }

function inJson(name: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return base64(value)
  if (typeof value === 'number') return String(value)
  if (name === 'origin' || name === 'verifiedBootState') return String(value).toUpperCase().replaceAll('-', '_')
  if (Array.isArray(value)) return value.map(item => inJson('', item))
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(members.map(([key, member]) => [key, inJson(key, member)]))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
