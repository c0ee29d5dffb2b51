import { type Certificate, CertificateError } from '../../x509/index.js'
import { Assertion, type Finding, failed, passed } from '../finding.js'
import type { PlatformRoots, TrustedChain } from '../platform-roots.js'
import {
  commonNameOf,
  type DcapEndorsements,
  type DcapTee,
  missingItem,
  pckCaOf,
  type RevocationList,
  type SignedDocument,
} from './endorsements.js'
import { isPck, type PckFacts } from './pck.js'
import type { QeIdentity } from './qe-identity.js'
import type { TcbInfo } from './tcb-info.js'

/** The collateral that a quote is appraised by, found to be Intel's and to hold at the time. */
export interface CheckedCollateral {
  readonly tcbInfo: TcbInfo
  readonly qeIdentity: QeIdentity
  /** Whether the PCK certificate, or the CA above it, is revoked. */
  readonly revocation: Finding
  readonly isSimulated: boolean
}

/** Takes the collateral for a platform out of what is at hand, and checks each item: its signer's chain up to the same
 *  roots, its signature, its dates, and that it is about this platform. What is wrong with it says nothing about the
 *  quote.
 *  @param chain of the PCK certificate   @throws MissingEndorsement if an item is absent or not good */
export function checkCollateral(
  endorsements: DcapEndorsements | undefined,
  tee: DcapTee,
  pck: PckFacts,
  chain: TrustedChain,
  roots: PlatformRoots,
  at: number,
): CheckedCollateral {
  const [leaf, intermediate, root] = chain.path
  if (!leaf || !intermediate || !root || chain.path.length !== 3) {
    throw missingItem('dcap-pck-crl', 'the PCK certificate is not issued by a CA directly under the root')
  }
  const ca = pckCaOf(leaf.issuer)
  const rootCrl = present(endorsements?.rootCrl(), 'dcap-root-crl', 'the CRL of the root')
  const pckCrl = present(endorsements?.pckCrl(ca), 'dcap-pck-crl', `the CRL of the PCK ${ca} CA`)
  const tcbInfo = present(
    endorsements?.tcbInfo(tee, pck.fmspc),
    'dcap-tcb-info',
    `the ${tee} TCB info for ${pck.fmspc}`,
  )
  const qeIdentity = present(endorsements?.qeIdentity(tee), 'dcap-qe-identity', `the identity of the ${tee} QE`)
  checkCrl(rootCrl, root, 'dcap-root-crl', at, roots.leeway)
  checkCrl(pckCrl, intermediate, 'dcap-pck-crl', at, roots.leeway)
  const signers = [
    checkDocument(tcbInfo, 'dcap-tcb-info', rootCrl, roots, at),
    checkDocument(qeIdentity, 'dcap-qe-identity', rootCrl, roots, at),
  ]
  const { fmspc, pceId } = tcbInfo.content
  if (tcbInfo.content.tee !== tee || fmspc !== pck.fmspc || pceId !== pck.pceId) {
    throw invalid('dcap-tcb-info', `is about FMSPC ${fmspc} and PCE ${pceId} instead of ${pck.fmspc} and ${pck.pceId}`)
  }
  if (qeIdentity.content.tee !== tee) throw invalid('dcap-qe-identity', `is for ${qeIdentity.content.tee} quotes`)
  return {
    tcbInfo: tcbInfo.content,
    qeIdentity: qeIdentity.content,
    revocation: checkRevocation(chain, [
      [leaf, pckCrl],
      [intermediate, rootCrl],
    ]),
    isSimulated: signers.some(({ isSimulated }) => isSimulated),
  }
}

function present<Item>(item: Item | undefined, kind: string, name: string): Item {
  if (item === undefined) throw missingItem(kind, `${name} is not at hand`)
  return item
}

function checkCrl(list: RevocationList, issuer: Certificate, kind: string, at: number, leeway: number): void {
  if (!list.isBy(issuer)) throw invalid(kind, 'is not signed by the CA that issued the certificates it has to be about')
  checkDates(list.crl.thisUpdate, list.crl.nextUpdate, kind, at, leeway)
}

/** @returns the chain of the signer */
function checkDocument(
  document: SignedDocument<{ readonly issueDate: number; readonly nextUpdate: number }>,
  kind: string,
  rootCrl: RevocationList,
  roots: PlatformRoots,
  at: number,
): TrustedChain {
  const chain = signerOf(document, kind, roots, at)
  if (!chain.isExact) throw invalid(kind, 'has certificates beside the chain of its signer, or another root in it')
  const [signer, issuer] = chain.path
  // A PCK has the same root, but its owner is not Intel.
  if (!signer || isPck(signer) || !/\bTCB Signing$/.test(commonNameOf(signer.subject))) {
    throw invalid(kind, `is signed by ${chain.subject}, who signs no collateral`)
  }
  if (!issuer || !rootCrl.isBy(issuer)) throw invalid(kind, 'is signed under a root of another CRL')
  if (rootCrl.crl.isRevoked(signer.serialNumber)) throw invalid(kind, `is signed with the revoked ${chain.subject}`)
  if (!document.isSigned) throw invalid(kind, `is not what ${chain.subject} has signed`)
  checkDates(document.content.issueDate, document.content.nextUpdate, kind, at, roots.leeway)
  return chain
}

function signerOf(document: SignedDocument<unknown>, kind: string, roots: PlatformRoots, at: number): TrustedChain {
  try {
    return roots.check(document.chain, at)
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    const sentence = `${NAMES[kind]} has no signer that can be trusted: ${error.sentence}`
    switch (error.code) {
      case 'ERR_X509_EXPIRED':
        throw missingItem(kind, sentence, 'ERR_ENDORSEMENT_EXPIRED')
      case 'ERR_X509_NOT_YET_VALID':
        throw missingItem(kind, sentence, 'ERR_ENDORSEMENT_NOT_YET_VALID')
      default:
        throw missingItem(kind, sentence, 'ERR_ENDORSEMENT_INVALID')
    }
  }
}

function checkDates(from: number, until: number | undefined, kind: string, at: number, leeway: number): void {
  if (at + leeway < from) {
    const sentence = `${NAMES[kind]} holds from ${date(from)} on; it is ${date(at)}`
    throw missingItem(kind, sentence, 'ERR_ENDORSEMENT_NOT_YET_VALID')
  }
  // A list that does not say when it is replaced could be as old as the CA.
  if (until === undefined || at - leeway > until) {
    const sentence = `${NAMES[kind]} held until ${until === undefined ? 'no date' : date(until)}; it is ${date(at)}`
    throw missingItem(kind, sentence, 'ERR_ENDORSEMENT_EXPIRED')
  }
}

function invalid(kind: string, sentence: string): Error {
  return missingItem(kind, `${NAMES[kind]} ${sentence}`, 'ERR_ENDORSEMENT_INVALID')
}

const NAMES: Readonly<Record<string, string>> = {
  'dcap-root-crl': 'the CRL of the root',
  'dcap-pck-crl': 'the CRL of the PCK CA',
  'dcap-tcb-info': 'the TCB info',
  'dcap-qe-identity': 'the QE identity',
}

function date(time: number): string {
  return Number.isFinite(time) ? new Date(time).toISOString() : 'no time'
}

function checkRevocation(chain: TrustedChain, lists: readonly (readonly [Certificate, RevocationList])[]): Finding {
  const isRevoked = lists.some(([certificate, { crl }]) => crl.isRevoked(certificate.serialNumber))
  const subject = {
    name: 'revocation',
    expected: 'a PCK certificate that is not revoked',
    actual: isRevoked ? `${chain.subject} or its CA is revoked` : 'not revoked',
    source: 'the CRLs of the PCK CA and of the root',
  }
  if (!isRevoked) return passed(subject)
  const remedy = 'use another platform: Intel does not trust the keys of this one any more'
  return failed(subject, remedy, 'instance-identity', Assertion.contraindicated)
}
