import type { PeerCertificate } from 'node:tls'
import { type Authentication, type PeerCheck, peerCheck } from '../handshake/index.js'
import { type Certificate, CertificateError } from '../x509/index.js'
import { legacyCertificate } from './legacy-certificate.js'
import type { ConnectOptions } from './options.js'
import type { SecureContext } from './secure-context.js'

/** What the credential of a peer has to be. */
export interface PeerRules {
  readonly purpose: 'serverAuth' | 'clientAuth'
  /** The name that the certificate has to be for; undefined: any. */
  readonly name: string | undefined
  readonly checkServerIdentity: ConnectOptions['checkServerIdentity']
  /** Whether a certificate that does not pass is only reported. */
  readonly isAdvisory: boolean
}

/** Checks the peer's credential by a context, which may become known only during the handshake. */
export function peerCheckOf(context: () => SecureContext, rules: PeerRules): PeerCheck {
  const { name, checkServerIdentity, isAdvisory } = rules
  return {
    certificateTypes: peerCheckIn(context(), rules).certificateTypes,
    isAdvisory,
    check(peer, isResumption) {
      if (!checkServerIdentity) return peerCheckIn(context(), rules).check(peer, isResumption)
      let path: readonly Certificate[] | undefined
      const isChecked = peerCheckIn(context(), rules, checked => {
        path = checked
      }).check(peer, isResumption)
      if (!path) return isChecked
      return judged(() => checkServerIdentity(name ?? '', certificateOf(peer)))
    },
  }
}

function peerCheckIn(
  context: SecureContext,
  { purpose, name, isAdvisory }: PeerRules,
  checkIdentity?: (path: readonly Certificate[]) => void,
): PeerCheck {
  return peerCheck({
    anchors: context.anchors,
    purpose,
    name,
    now: Date.now,
    certificateSchemes: context.certificateSchemes,
    rawPublicKeys: context.acceptedRawPublicKeys,
    crls: context.crls,
    isAdvisory,
    ...(checkIdentity && { checkIdentity }),
  })
}

function certificateOf({ certificateType, entries }: Authentication): PeerCertificate {
  return legacyCertificate({ certificateType, chain: entries.map(({ data }) => data) }, true)
}

/** Turns the answer of a `checkServerIdentity`, however it comes, into a refusal or its absence. */
function judged(check: () => Error | undefined | Promise<Error | undefined>): void | Promise<void> {
  let answer: Error | undefined | Promise<Error | undefined>
  try {
    answer = check()
  } catch (error) {
    throw refusal(error)
  }
  if (!(answer instanceof Promise)) {
    if (answer) throw refusal(answer)
    return
  }
  return answer.then(
    error => {
      if (error) throw refusal(error)
    },
    error => {
      throw refusal(error)
    },
  )
}

function refusal(error: unknown): IdentityRefused {
  return new IdentityRefused(error instanceof Error ? error : new Error(String(error)))
}

/** What a `checkServerIdentity` refused with: the caller's own error, which the caller gets back. */
export class IdentityRefused extends CertificateError {
  readonly refusal: Error

  constructor(error: Error) {
    super('ERR_TLS_CERT_ALTNAME_INVALID', 'bad_certificate', error.message)
    this.refusal = error
  }
}
