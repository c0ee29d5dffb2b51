import { MessageError } from '../../rats/index.js'
import type { EndorsementNeed } from '../endorsements.js'
import {
  type DcapEndorsements,
  qeIdentityFrom,
  RevocationList,
  type SignedDocument,
  tcbInfoFrom,
} from './endorsements.js'
import type { QeIdentity } from './qe-identity.js'
import type { TcbInfo } from './tcb-info.js'

/** What a PCS or PCCS answers, as far as it matters. */
export interface PcsAnswer {
  readonly body: Uint8Array
  /** The header that `pcsRequest` names, as it came: PEM in URL encoding. Undefined for CRLs. */
  readonly issuerChain?: string | undefined
}

/** Collateral that came in an answer, read but not yet believed. */
export interface DcapItem {
  readonly value: SignedDocument<TcbInfo> | SignedDocument<QeIdentity> | RevocationList
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  /** When a newer one has to be there: milliseconds since 1970. */
  readonly nextUpdate: number
}

/** How to ask Intel's PCS, or a PCCS, for what an appraisal needs.
 *  @returns undefined for needs that it does not know: the root's CRL is at a place of its own */
export function pcsRequest(
  need: EndorsementNeed,
): { readonly path: string; readonly issuerChainHeaders: readonly string[] } | undefined {
  const { tee, fmspc, ca } = need.parameters
  const isTee = tee === 'sgx' || tee === 'tdx'
  switch (need.kind) {
    case 'dcap-tcb-info':
      if (!isTee || !/^[0-9a-f]{12}$/.test(fmspc ?? '')) return undefined
      return {
        path: `/${tee}/certification/v4/tcb?fmspc=${fmspc?.toUpperCase()}`,
        issuerChainHeaders: ['TCB-Info-Issuer-Chain', 'SGX-TCB-Info-Issuer-Chain'],
      }
    case 'dcap-qe-identity':
      if (!isTee) return undefined
      return {
        path: `/${tee}/certification/v4/qe/identity`,
        issuerChainHeaders: ['SGX-Enclave-Identity-Issuer-Chain'],
      }
    case 'dcap-pck-crl':
      if (ca !== 'processor' && ca !== 'platform') return undefined
      return { path: `/sgx/certification/v4/pckcrl?ca=${ca}&encoding=der`, issuerChainHeaders: [] }
    default:
      return undefined
  }
}

/** Where the CRL of Intel's root is. A PCCS has it at `/sgx/certification/v4/rootcacrl`, in hex. */
export const INTEL_ROOT_CRL_URL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der'

/** Reads an answer to a need. @throws MessageError or CertificateError if it is not what was asked for */
export function readPcsAnswer(need: EndorsementNeed, { body, issuerChain }: PcsAnswer): DcapItem {
  switch (need.kind) {
    case 'dcap-tcb-info': {
      const value = tcbInfoFrom(textOf(body), decodedChain(issuerChain))
      const { tee, fmspc } = need.parameters
      if (value.content.tee !== tee || value.content.fmspc !== fmspc)
        throw wrong('the TCB info is about another platform')
      return { value, issuedAt: value.content.issueDate, nextUpdate: value.content.nextUpdate }
    }
    case 'dcap-qe-identity': {
      const value = qeIdentityFrom(textOf(body), decodedChain(issuerChain))
      if (value.content.tee !== need.parameters.tee) throw wrong('the QE identity is that of another Quoting Enclave')
      return { value, issuedAt: value.content.issueDate, nextUpdate: value.content.nextUpdate }
    }
    case 'dcap-pck-crl':
    case 'dcap-root-crl': {
      const value = new RevocationList(derOf(body))
      const { thisUpdate, nextUpdate } = value.crl
      if (nextUpdate === undefined) throw wrong('the CRL does not say when it is replaced')
      return { value, issuedAt: thisUpdate, nextUpdate }
    }
    default:
      throw wrong(`a need of kind ${need.kind} is none of DCAP`)
  }
}

function textOf(body: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: false }).decode(body)
}

/** PCS and PCCS encode line ends and spaces. */
function decodedChain(header: string | undefined): string {
  if (header === undefined) throw wrong('the answer has no issuer chain')
  try {
    return decodeURIComponent(header.replace(/\+/g, '%2B'))
  } catch {
    throw wrong('the issuer chain is not in URL encoding')
  }
}

/** DER, or DER in hex. */
function derOf(body: Uint8Array): Uint8Array {
  const SEQUENCE = 0x30
  const text = textOf(body.subarray(0, MAX_HEX)).trim()
  if (body[0] === SEQUENCE && body[1] !== undefined && body[1] >= 0x80) return body
  if (!/^([0-9a-f]{2})+$/i.test(text)) throw wrong('the CRL is neither in DER nor in hex')
  return Uint8Array.from(text.match(/../g) ?? [], byte => Number.parseInt(byte, 16))
}

const MAX_HEX = 16 << 20

function wrong(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}

/** Looks collateral up among items that are at hand, by the name of the need that each answers. */
export function dcapEndorsementsOf(itemFor: (need: EndorsementNeed) => DcapItem | undefined): DcapEndorsements {
  const find = (kind: string, parameters: Readonly<Record<string, string>>) => itemFor({ kind, parameters })?.value
  return {
    // What `readPcsAnswer` makes of an answer to such a need is of this type.
    tcbInfo: (tee, fmspc) => find('dcap-tcb-info', { tee, fmspc }) as SignedDocument<TcbInfo> | undefined,
    qeIdentity: tee => find('dcap-qe-identity', { tee }) as SignedDocument<QeIdentity> | undefined,
    pckCrl: ca => find('dcap-pck-crl', { ca }) as RevocationList | undefined,
    rootCrl: () => find('dcap-root-crl', {}) as RevocationList | undefined,
    pckChain: () => undefined,
  }
}
