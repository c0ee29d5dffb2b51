import { equalBytes } from '../../bytes/index.js'
import type { PublicKey } from '../../crypto/index.js'
import { shortHex } from '../checks.js'
import { replayLog } from '../event-log/log.js'
import { startOfTpm } from '../event-log/tcg.js'
import { type Finding, failed, passed } from '../finding.js'
import { tpmHashLength } from './algorithm.js'
import { TPM_MAGIC, type TpmAttest } from './attest.js'
import type { TpmCertified, TpmEvidence, TpmStatement } from './evidence.js'
import { findUnexplainedPcr, pcrDigestOf } from './pcr.js'
import { KeyAttribute, type TpmPublic } from './public-area.js'
import { isSignedByTpm } from './signature.js'

/*
 * The checks of what a TPM says, one by one: of its keys, of what it signed, of what its registers hold.
 */

/** Whether the key signed the statement. @param signer for people */
export function checkTpmSignature(
  { bytes, signature }: TpmStatement,
  key: PublicKey,
  signer: string,
  name = 'signature',
): Finding {
  const subject = { name, expected: `a signature by ${signer}`, source: 'the attestation key' }
  if (isSignedByTpm(signature, key, bytes)) return passed({ ...subject, actual: subject.expected }, 'instance-identity')
  const remedy = 'the statement was changed on its way, or is not by this TPM: do not trust the sender'
  return failed({ ...subject, actual: 'a signature that this key did not make over it' }, remedy, 'instance-identity')
}

/** Whether a TPM made the statement itself: it signs nothing from outside that begins so. */
export function checkMagic({ magic }: TpmAttest): Finding {
  const subject = {
    name: 'magic',
    expected: 'made by a TPM',
    actual: magic === TPM_MAGIC ? 'made by a TPM' : 'made by somebody else, and signed with a key of a TPM',
    source: 'TPM 2.0 Library, Part 2, TPM_GENERATED',
  }
  if (magic === TPM_MAGIC) return passed(subject)
  return failed(subject, 'do not trust the sender: somebody had a TPM sign what it did not say', 'instance-identity')
}

/** Whether the statement is of the kind that is asked for. */
export function checkStatementType({ attested, type }: TpmAttest, expected: 'quote' | 'certify'): Finding {
  const subject = { name: 'type', expected, actual: `${attested.kind} (0x${type.toString(16)})`, source: 'the format' }
  if (attested.kind === expected) return passed(subject)
  return failed(subject, 'have the peer send a quote and a certified key, each in its place', 'instance-identity')
}

/** Whether all that the TPM signed was signed for one and the same challenge, by one and the same key. */
export function checkSameSession(statements: readonly TpmStatement[]): Finding {
  const subject = {
    name: 'same-session',
    expected: 'one challenge and one signer in all that the TPM signed',
    source: 'the format',
  }
  const [first, ...others] = statements
  const isSame = others.every(
    ({ attest }) =>
      first !== undefined &&
      equalBytes(attest.extraData, first.attest.extraData) &&
      equalBytes(attest.qualifiedSigner, first.attest.qualifiedSigner),
  )
  if (isSame) return passed({ ...subject, actual: subject.expected })
  const remedy = 'somebody put together what was said at different times: have the peer attest anew'
  return failed({ ...subject, actual: 'different ones' }, remedy, 'instance-identity')
}

/** Whether what the TPM certified is the key that came along: the Name is the hash over it. */
export function checkKeyName({ statement, publicArea }: TpmCertified): Finding {
  const { attested } = statement.attest
  const name = attested.kind === 'certify' ? attested.name : new Uint8Array(0)
  const subject = {
    name: 'key-name',
    expected: `the key named ${shortHex(name)}`,
    actual: `the key named ${shortHex(publicArea.name)}`,
    source: 'the certified Name',
  }
  if (equalBytes(name, publicArea.name) && publicArea.key) return passed(subject)
  return failed(
    subject,
    'the TPM vouches for another key: have the peer send the one that it uses',
    'instance-identity',
  )
}

/** Whether the certified key was made in the TPM, stays there, and can sign a handshake. */
export function checkKeyAttributes({ attributes }: TpmPublic): Finding {
  return checkAttributes('key-attributes', attributes, {
    set: ['fixedTpm', 'fixedParent', 'sensitiveDataOrigin', 'sign'],
    // A restricted key signs no digests that come from outside, such as that of a handshake.
    clear: ['restricted'],
  })
}

/** Whether the attestation key signs nothing but what its TPM says. */
export function checkAttestationKey({ attributes }: TpmPublic): Finding {
  return checkAttributes('ak-attributes', attributes, {
    set: ['fixedTpm', 'restricted', 'sign'],
    clear: ['decrypt'],
  })
}

type AttributeName = keyof typeof KeyAttribute

function checkAttributes(
  name: string,
  attributes: number,
  { set, clear }: { readonly set: readonly AttributeName[]; readonly clear: readonly AttributeName[] },
): Finding {
  const has = (attribute: AttributeName) => (attributes & KeyAttribute[attribute]) !== 0
  const describe = (all: readonly AttributeName[]) => all.join(', ')
  const subject = {
    name,
    expected: `${describe(set)}; not ${describe(clear)}`,
    actual: describe([...set, ...clear].filter(has)) || 'none of these',
    source: 'the public area of the key',
  }
  if (set.every(has) && !clear.some(has)) return passed(subject)
  return failed(subject, 'make the key inside the TPM, with these attributes', 'instance-identity')
}

/** Whether the values that came along are those that the TPM quoted. */
export function checkPcrValues(quote: TpmStatement, { values }: Pick<TpmEvidence, 'values'>): readonly Finding[] {
  const { attested } = quote.attest
  if (attested.kind !== 'quote' || values.size === 0) return []
  // A value for every register of the quote, or the digest cannot be computed: no part of it is vouched for alone.
  const digest = pcrDigestOf(attested.selections, values, quote.signature.hash)
  const subject = {
    name: 'pcr-digest',
    expected: shortHex(attested.pcrDigest),
    actual: digest ? shortHex(digest) : 'not all values of the quoted registers',
    source: 'the quote',
  }
  if (digest && equalBytes(digest, attested.pcrDigest)) return [passed(subject)]
  return [failed(subject, 'have the peer send the values that its TPM has quoted', 'executables')]
}

/** Whether the event log explains the values of the registers that it extends, in every bank that was quoted. */
export function checkEventLog({ log, quotes, values }: TpmEvidence): readonly Finding[] {
  if (!log) return []
  return quotes.flatMap(({ attest: { attested } }) =>
    attested.kind === 'quote'
      ? attested.selections.map(({ bank, registers }) => {
          const subject = {
            name: 'event-log',
            expected: `a log that comes to the PCRs of ${bank}`,
            source: 'the quote',
          }
          const remedy = 'have the peer send the log that belongs to its registers: parts of it may be missing'
          let computed: ReadonlyMap<number, Uint8Array>
          try {
            computed = replayLog(log, bank, startOfTpm(log, tpmHashLength[bank]))
          } catch (error) {
            if (!(error instanceof RangeError)) throw error
            return failed({ ...subject, actual: error.message }, remedy, 'executables')
          }
          const held = new Map([...(values.get(bank) ?? [])].filter(([register]) => registers.includes(register)))
          if (held.size === 0) {
            return failed({ ...subject, actual: `no values of ${bank} to compare it with` }, remedy, 'executables')
          }
          const register = findUnexplainedPcr(computed, held)
          if (register === undefined) return passed({ ...subject, actual: subject.expected })
          return failed({ ...subject, actual: `PCR ${register} holds something else` }, remedy, 'executables')
        })
      : [],
  )
}
