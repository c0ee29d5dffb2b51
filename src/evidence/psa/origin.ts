import type { PublicKey } from '../../crypto/index.js'
import {
  asArray,
  asBytes,
  CoseHeader,
  type CoseMessage,
  checkMac0,
  checkSign1,
  MessageError,
} from '../../rats/index.js'
import { shortHex } from '../checks.js'
import { MissingEndorsement } from '../endorsements.js'
import { type Finding, failed, passed } from '../finding.js'
import type { Origin, OriginInputs } from '../format.js'
import { checkOriginChain } from '../origin.js'

/** Checks who made a token of an Arm platform: by the key that is registered for its instance, or, where there is
 *  none, by the chain in its header.
 *  @param kind the kind of platform that keys and roots are registered for   @param instanceId from the token's claims
 *  @throws MissingEndorsement if there is neither */
export function checkArmToken(
  kind: string,
  message: CoseMessage,
  instanceId: Uint8Array,
  inputs: OriginInputs,
): Origin {
  const { instanceKeys } = inputs.endorsements
  const key = instanceKeys.keyOf(kind, instanceId)
  const secret = instanceKeys.secretOf?.(kind, instanceId)
  const registered = { kind, instanceId }
  if (message.kind === 'Mac0') {
    if (secret) return { findings: [checkProof(() => checkMac0(message, secret), registered)], isSimulated: false }
    // A public key is no secret: taken for one, anybody could make the code (RFC 8725 §2.1).
    if (key) return { findings: [wrongKind('a signature', 'an authentication code', registered)], isSimulated: false }
    throw missing(registered)
  }
  if (key) return { findings: [checkSignature(message, key, registered)], isSimulated: false }
  if (secret) return { findings: [wrongKind('an authentication code', 'a signature', registered)], isSimulated: false }
  const chain = chainOf(message)
  if (!chain) throw missing(registered)
  const { finding, trusted } = checkOriginChain(kind, chain, inputs.roots.of(kind), inputs.at)
  if (!trusted) return { findings: [finding], isSimulated: false }
  return {
    findings: [finding, checkSignature(message, trusted.publicKey, trusted.subject)],
    isSimulated: trusted.isSimulated,
  }
}

/** An instance whose key somebody registered, or the subject of a certificate. */
type Signer = { readonly kind: string; readonly instanceId: Uint8Array } | string

/** The signature over a token: ECDSA, as the profiles of PSA and CCA have it (RFC 9783 §5.2).
 *  @param name of the check, where a token is one of several */
export function checkSignature(message: CoseMessage, key: PublicKey, signer: Signer, name = 'signature'): Finding {
  return checkProof(() => checkSign1(message, key, { algorithms: ECDSA }), signer, name)
}

const ECDSA = ['ES256', 'ES384', 'ES512']

function checkProof(check: () => void, signer: Signer, name = 'signature'): Finding {
  const by = typeof signer === 'string' ? signer : `${signer.kind} instance ${shortHex(signer.instanceId)}`
  const source = typeof signer === 'string' ? 'the certificate in the token' : 'endorsements: registered keys'
  const subject = { name, expected: `a signature by ${by}`, source }
  try {
    check()
    return passed({ ...subject, actual: subject.expected }, 'instance-identity')
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    const { message: actual, code } = error
    const remedy =
      'the token was changed on its way, forged, or is of another instance than it says: do not trust the sender'
    return failed({ ...subject, actual, code }, remedy, 'instance-identity')
  }
}

function wrongKind(expected: string, actual: string, { kind }: { readonly kind: string }): Finding {
  return failed(
    { name: 'proof-kind', expected, actual, source: `endorsements: the key registered for this ${kind} instance` },
    'do not trust the sender: the token is proved in another way than its instance proves its tokens',
    'instance-identity',
  )
}

function missing({ kind, instanceId }: { readonly kind: string; readonly instanceId: Uint8Array }): MissingEndorsement {
  return new MissingEndorsement(
    `there is no key for the ${kind} instance ${shortHex(instanceId)}, and its token brings no certificate`,
    'register the public key of the instance, as its maker or whoever provisioned it gives it',
    { kind: `${kind}-instance-key` },
  )
}

/** The chain in the header (RFC 9360 §2), the signer's certificate first; undefined where there is none. */
function chainOf({ protectedHeader, unprotectedHeader }: CoseMessage): readonly Uint8Array[] | undefined {
  const chain = protectedHeader.get(CoseHeader.x5chain) ?? unprotectedHeader.get(CoseHeader.x5chain)
  if (chain === undefined) return undefined
  const certificates = Array.isArray(chain) ? asArray(chain, 'x5chain', 2, 8) : [chain]
  return certificates.map(certificate => asBytes(certificate, 'a certificate in x5chain', 1, 8192))
}
