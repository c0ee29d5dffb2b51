import { hex } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { type Certificate, CertificateError, certificatesIn, parseCertificate } from '../../x509/index.js'
import { type Finding, failed, passed } from '../finding.js'
import type { Platform } from '../format.js'
import { checkOriginChain, REMEDIES } from '../origin.js'
import type { TrustedChain } from '../platform-roots.js'
import type { AuthorizationList } from './authorization-list.js'
import { KEY_DESCRIPTION, type KeyDescription, keyDescriptionOf, securityLevels } from './key-description.js'

/** The chain of a key in an Android keystore: its own certificate first. */
export interface AndroidKeyEvidence {
  /** DER. */
  readonly chain: readonly Uint8Array[]
  readonly leaf: Certificate
  readonly description: KeyDescription
}

/** What is known of Android's certificates besides the roots. */
export interface AndroidKeyEndorsements {
  /** Serial numbers of revoked certificates in lower-case hex without leading zeros, as Google's attestation status list
   *  has them. */
  readonly revokedSerialNumbers?: ReadonlySet<string>
  /** Takes intermediates that do not say that they are CAs, or say that they are none: devices of some makers have such. */
  readonly acceptsUnmarkedCas?: boolean
}

/** A key in the keystore of an Android device: the device describes the key in its certificate, and the certificates
 *  lead to Google's root. The roots are believed by their keys: Google has issued several certificates for each. */
export const androidKeyPlatform: Platform<AndroidKeyEvidence> = {
  kind: 'android-key',
  profile: undefined,
  isSimulated: false,
  policyTerms: {
    requiredMeasurements: ['verified-boot-hash', 'app-signer'],
    measurements: ['verified-boot-hash', 'app-signer'],
    // The hash changes with every update of the system: whoever knows the app may leave it to the state of the boot.
    sufficientPins: [
      { measurements: ['app-signer'], claims: ['verified-boot-state', 'package'], versions: ['os-patch-level'] },
    ],
    lifecycles: [],
    versions: ['security-level', 'os-version', 'os-patch-level', 'vendor-patch-level', 'boot-patch-level'],
    claims: [
      'security-level',
      'verified-boot-state',
      'verified-boot-key',
      'device-locked',
      'package',
      'brand',
      'device',
      'product',
      'manufacturer',
      'model',
    ],
  },

  decode(bytes) {
    try {
      const chain = certificatesIn(new TextDecoder('latin1').decode(bytes))
      const [first] = chain
      if (!first || chain.length > MOST_CERTIFICATES) {
        throw new MessageError('ERR_RATS_MALFORMED', `the chain of a key has 1 to ${MOST_CERTIFICATES} certificates`)
      }
      const leaf = parseCertificate(first)
      return { chain, leaf, description: keyDescriptionOf(leaf) }
    } catch (error) {
      if (error instanceof CertificateError) throw new MessageError('ERR_RATS_MALFORMED', error.message)
      throw error
    }
  },

  checkOrigin({ chain, description }, { roots, endorsements, at }) {
    const { revokedSerialNumbers, acceptsUnmarkedCas = false } = endorsements.androidKey ?? {}
    const { finding, trusted } = checkOriginChain('android-key', chain, roots.of('android-key'), at, {
      trustsKeys: true,
      caMarks: acceptsUnmarkedCas ? 'ignored' : 'required',
    })
    if (!trusted) return { findings: [finding], isSimulated: false }
    return {
      findings: [
        finding,
        ...(revokedSerialNumbers ? [checkRevocation(trusted, revokedSerialNumbers)] : []),
        checkDescribedOnce(trusted),
        checkSecurityLevel(description),
        checkKeyOrigin(description),
      ],
      isSimulated: trusted.isSimulated,
    }
  },

  challengeOf: ({ description }) => description.attestationChallenge,

  factsOf({ description }) {
    const { attestationSecurityLevel, hardwareEnforced, softwareEnforced } = description
    const { rootOfTrust } = hardwareEnforced
    const app = softwareEnforced.attestationApplicationId
    const [signer, ...otherSigners] = app?.signatures ?? []
    const [first, ...otherPackages] = app?.packages ?? []
    const isOneSigner = signer !== undefined && otherSigners.length === 0
    const measurements = new Map<string, string>()
    if (rootOfTrust?.verifiedBootHash) measurements.set('verified-boot-hash', hex(rootOfTrust.verifiedBootHash))
    if (isOneSigner) measurements.set('app-signer', hex(signer))
    return {
      measurements,
      // Whoever can unlock the boot loader can put another system below the app.
      isDebuggable: !rootOfTrust?.deviceLocked || !TRUSTED_BOOT.has(rootOfTrust.verifiedBootState),
      lifecycle: undefined,
      versions: versionsOf(attestationSecurityLevel, hardwareEnforced),
      claims: {
        'security-level': attestationSecurityLevel,
        'attestation-version': description.attestationVersion,
        ...(rootOfTrust && {
          'verified-boot-state': rootOfTrust.verifiedBootState,
          'verified-boot-key': hex(rootOfTrust.verifiedBootKey),
          'device-locked': rootOfTrust.deviceLocked,
        }),
        // Packages that share a key are one app to Android: which of them it was nobody can say.
        ...(first && otherPackages.length === 0 && { package: first.name }),
        packages: app?.packages ?? [],
        'app-signers': app?.signatures.map(hex) ?? [],
        ...definedOf({
          brand: hardwareEnforced.attestationIdBrand,
          device: hardwareEnforced.attestationIdDevice,
          product: hardwareEnforced.attestationIdProduct,
          manufacturer: hardwareEnforced.attestationIdManufacturer,
          model: hardwareEnforced.attestationIdModel,
        }),
      },
    }
  },
}

const MOST_CERTIFICATES = 8
const TRUSTED_BOOT: ReadonlySet<string> = new Set(['verified', 'self-signed'])

function versionsOf(level: KeyDescription['attestationSecurityLevel'], list: AuthorizationList) {
  const versions = new Map([['security-level', securityLevels.indexOf(level)]])
  const named = {
    'os-version': list.osVersion,
    'os-patch-level': list.osPatchLevel,
    'vendor-patch-level': list.vendorPatchLevel,
    'boot-patch-level': list.bootPatchLevel,
  }
  for (const [name, value] of Object.entries(named)) if (value !== undefined) versions.set(name, value)
  return versions
}

function definedOf(values: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

function checkRevocation({ path }: TrustedChain, revoked: ReadonlySet<string>): Finding {
  const subject = {
    name: 'revocation',
    expected: 'no certificate on the status list',
    source: 'endorsements: Android’s attestation status list',
  }
  const found = path.map(({ serialNumber }) => hex(serialNumber).replace(/^0+/, '')).find(serial => revoked.has(serial))
  if (found === undefined) return passed({ ...subject, actual: subject.expected })
  const remedy = REMEDIES.certificate_revoked ?? ''
  return failed({ ...subject, actual: `the certificate ${found} is on it` }, remedy, 'instance-identity', 96)
}

/** A key that the keystore has certified can sign certificates of its own, which describe whatever its holder likes. So
 *  only the last certificate of a chain may describe a key. */
function checkDescribedOnce({ path }: TrustedChain): Finding {
  const subject = { name: 'key-description', expected: 'one certificate that describes a key', source: 'the chain' }
  if (!path.slice(1).some(({ extensions }) => extensions.has(KEY_DESCRIPTION))) {
    return passed({ ...subject, actual: subject.expected })
  }
  const remedy = 'do not trust the sender: somebody certified a key of his own with one that a device certified'
  return failed({ ...subject, actual: 'several' }, remedy, 'instance-identity')
}

function checkSecurityLevel({ attestationSecurityLevel, keyMintSecurityLevel }: KeyDescription): Finding {
  const subject = {
    name: 'security-level',
    expected: 'a key in secure hardware, described by it',
    actual: `a key in ${keyMintSecurityLevel}, described by ${attestationSecurityLevel}`,
    source: 'the description of the key',
  }
  if (attestationSecurityLevel !== 'software' && keyMintSecurityLevel !== 'software') return passed(subject)
  return failed(subject, 'use a device with secure hardware', 'hardware', 96)
}

function checkKeyOrigin({ hardwareEnforced: { origin, purposes } }: KeyDescription): Finding {
  const subject = {
    name: 'key-origin',
    expected: 'a signing key that was generated in the hardware',
    actual: `a key that was ${origin ?? 'made somewhere'}, for purposes ${purposes?.join(', ') ?? 'unknown'}`,
    source: 'the description of the key',
  }
  if (origin === 'generated' && purposes?.includes(SIGN)) return passed(subject)
  return failed(subject, 'have the keystore generate the key', 'instance-identity')
}

/** KeyPurpose. */
const SIGN = 2
