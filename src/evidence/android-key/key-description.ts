import { MessageError } from '../../rats/index.js'
import { type Certificate, CertificateError, type DerReader, readDer, smallIntegerOf, Tag } from '../../x509/index.js'
import { type AuthorizationList, authorizationListOf, enumeratedOf } from './authorization-list.js'

/** What an Android device says of a key in the key's own certificate. */
export interface KeyDescription {
  readonly attestationVersion: number
  readonly attestationSecurityLevel: SecurityLevel
  readonly keyMintVersion: number
  readonly keyMintSecurityLevel: SecurityLevel
  /** At most 128 bytes. */
  readonly attestationChallenge: Uint8Array
  readonly uniqueId: Uint8Array
  /** What the operating system vouches for. */
  readonly softwareEnforced: AuthorizationList
  /** What the secure hardware vouches for. */
  readonly hardwareEnforced: AuthorizationList
}

/** Where a key lives, in the order of the numbers. */
export const securityLevels = ['software', 'trusted-environment', 'strongbox'] as const
/** One of them. */
export type SecurityLevel = (typeof securityLevels)[number]

/** The extension that says it. */
export const KEY_DESCRIPTION = '1.3.6.1.4.1.11129.2.1.17'

/** Reads the extension. @throws MessageError if it is absent, or not what it has to be */
export function keyDescriptionOf({ extensions }: Certificate): KeyDescription {
  const extension = extensions.get(KEY_DESCRIPTION)
  if (!extension) throw new MessageError('ERR_RATS_CLAIM_MISSING', 'the certificate does not describe its key')
  try {
    const reader = readDer(extension.value, Tag.sequence, 'the description of the key').reader()
    const description = {
      attestationVersion: versionIn(reader),
      attestationSecurityLevel: levelIn(reader),
      keyMintVersion: versionIn(reader),
      keyMintSecurityLevel: levelIn(reader),
      attestationChallenge: Uint8Array.from(reader.read(Tag.octetString, 'attestationChallenge').content),
      uniqueId: Uint8Array.from(reader.read(Tag.octetString, 'uniqueId').content),
      softwareEnforced: authorizationListOf(reader.read(Tag.sequence, 'softwareEnforced')),
      hardwareEnforced: authorizationListOf(reader.read(Tag.sequence, 'hardwareEnforced')),
    }
    reader.finish('the description of the key')
    return description
  } catch (error) {
    if (error instanceof CertificateError) throw new MessageError('ERR_RATS_MALFORMED', error.message)
    throw error
  }
}

function versionIn(reader: DerReader): number {
  const version = smallIntegerOf(reader.read(Tag.integer, 'a version'), 'a version')
  if (version !== undefined) return version
  throw new MessageError('ERR_RATS_CLAIM', 'a version of the description is too large')
}

function levelIn(reader: DerReader): SecurityLevel {
  const level = securityLevels[enumeratedOf(reader.any())]
  if (level) return level
  throw new MessageError('ERR_RATS_CLAIM', 'a security level is none that is known here')
}
