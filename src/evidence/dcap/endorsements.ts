import { concat, hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { type Certificate, type Crl, certificatesIn, type Name, parseCertificate, parseCrl } from '../../x509/index.js'
import { type EndorsementErrorCode, type EndorsementNeed, MissingEndorsement } from '../endorsements.js'
import { SpelledJson } from './json.js'
import { type QeIdentity, readQeIdentity } from './qe-identity.js'
import { readTcbInfo, type TcbInfo } from './tcb-info.js'

/** Intel's collateral as it is at hand, by what it is about. */
export interface DcapEndorsements {
  /** @param fmspc lower-case hex */
  tcbInfo(tee: DcapTee, fmspc: string): SignedDocument<TcbInfo> | undefined
  qeIdentity(tee: DcapTee): SignedDocument<QeIdentity> | undefined
  /** The CRL of the CA that issued a PCK certificate. */
  pckCrl(ca: PckCa): RevocationList | undefined
  /** The CRL of the root. */
  rootCrl(): RevocationList | undefined
  /** The PCK chain, the leaf first, for quotes that do not bring theirs along.
   *  @param platform the certification data that they bring instead */
  pckChain(platform: Uint8Array): readonly Uint8Array[] | undefined
}

/** Whose quotes it is about. */
export type DcapTee = 'sgx' | 'tdx'
/** The CAs that issue PCK certificates. */
export type PckCa = 'processor' | 'platform'

/** What a quote needs of Intel's collateral, to be fetched before it is appraised. These are the kinds:
 *  `dcap-tcb-info` {tee, fmspc}, `dcap-qe-identity` {tee}, `dcap-pck-crl` {ca}, `dcap-root-crl` {}, and for quotes
 *  without a certificate `dcap-pck-chain` {platform}, which is their certification data. */
export function dcapNeeds(tee: DcapTee, fmspc: string, ca: PckCa): readonly EndorsementNeed[] {
  return [
    { kind: 'dcap-tcb-info', parameters: { tee, fmspc } },
    { kind: 'dcap-qe-identity', parameters: { tee } },
    { kind: 'dcap-pck-crl', parameters: { ca } },
    { kind: 'dcap-root-crl', parameters: {} },
  ]
}

/** A document of Intel's that is signed as it is spelled, read but not yet believed. */
export class SignedDocument<Content> {
  readonly content: Content
  /** A digest over the document, its signature and its chain: lower-case hex. */
  readonly digest: string
  /** DER, the signer's certificate first. */
  readonly chain: readonly Uint8Array[]
  readonly #signedBytes: Uint8Array
  readonly #signature: Uint8Array
  #isSigned: boolean | undefined

  constructor(content: Content, signedBytes: Uint8Array, signature: Uint8Array, chain: readonly Uint8Array[]) {
    this.content = content
    this.chain = chain
    this.#signedBytes = signedBytes
    this.#signature = signature
    this.digest = hex(hash('sha256', signedBytes, signature, ...chain))
  }

  /** Whether the first certificate of the chain has signed it. The chain is for the caller to check. */
  get isSigned(): boolean {
    this.#isSigned ??= this.#verify()
    return this.#isSigned
  }

  #verify(): boolean {
    const [signer] = this.chain
    if (!signer) return false
    const algorithm = { kind: 'ecdsa', hash: 'sha256', encoding: 'raw' } as const
    return parseCertificate(signer).publicKey.verify(algorithm, this.#signedBytes, this.#signature)
  }
}

/** The answer of a PCS or PCCS to a request for TCB info.
 *  @param body JSON, `{"tcbInfo":…,"signature":…}`   @param issuerChain PEM, or DER of each certificate
 *  @throws MessageError or CertificateError if it cannot be read */
export function tcbInfoFrom(body: string, issuerChain: CertificateChain): SignedDocument<TcbInfo> {
  return signedDocument(body, 'tcbInfo', issuerChain, readTcbInfo)
}

/** The answer of a PCS or PCCS to a request for the identity of a Quoting Enclave.
 *  @param body JSON, `{"enclaveIdentity":…,"signature":…}`   @param issuerChain PEM, or DER of each certificate
 *  @throws MessageError or CertificateError if it cannot be read */
export function qeIdentityFrom(body: string, issuerChain: CertificateChain): SignedDocument<QeIdentity> {
  return signedDocument(body, 'enclaveIdentity', issuerChain, readQeIdentity)
}

/** Certificates in PEM, or each in DER. */
export type CertificateChain = string | readonly Uint8Array[]

function signedDocument<Content>(
  body: string,
  member: string,
  issuerChain: CertificateChain,
  read: (json: SpelledJson) => Content,
): SignedDocument<Content> {
  const answer = SpelledJson.parse(body, 'the answer')
  const document = answer.at(member)
  const signature = answer.at('signature')
  signature.hex(64)
  // What is signed is the text of the value as it came; written anew, it would be another text.
  return new SignedDocument(read(document), utf8(document.spelling), signature.bytes(), chainOf(issuerChain))
}

function chainOf(chain: CertificateChain): readonly Uint8Array[] {
  return typeof chain === 'string' ? certificatesIn(chain) : chain.map(certificate => Uint8Array.from(certificate))
}

/** A CRL whose signature is checked once for each issuer. */
export class RevocationList {
  readonly crl: Crl
  readonly #verdicts = new WeakMap<Certificate, boolean>()

  /** @throws CertificateError if it is no CRL */
  constructor(der: Uint8Array) {
    this.crl = parseCrl(der)
  }

  /** Whether this issuer has signed it, whatever the time. */
  isBy(issuer: Certificate): boolean {
    const held = this.#verdicts.get(issuer)
    if (held !== undefined) return held
    const verdict = this.#check(issuer)
    this.#verdicts.set(issuer, verdict)
    return verdict
  }

  #check(issuer: Certificate): boolean {
    try {
      this.crl.check(issuer, this.crl.thisUpdate)
      return true
    } catch {
      return false
    }
  }
}

/** Collateral for one family of platforms, as the answers that a PCS or PCCS gives. What is left out is not at hand. */
export interface DcapCollateral {
  /** JSON, `{"tcbInfo":…,"signature":…}`. */
  readonly tcbInfo?: string | undefined
  /** PEM, or DER of each certificate: the header TCB-Info-Issuer-Chain, decoded. */
  readonly tcbInfoIssuerChain?: CertificateChain | undefined
  /** JSON, `{"enclaveIdentity":…,"signature":…}`. */
  readonly qeIdentity?: string | undefined
  /** PEM, or DER of each certificate: the header SGX-Enclave-Identity-Issuer-Chain, decoded. */
  readonly qeIdentityIssuerChain?: CertificateChain | undefined
  /** DER. */
  readonly pckCrl?: Uint8Array | undefined
  /** DER. */
  readonly rootCrl?: Uint8Array | undefined
  /** The PCK chain of a platform whose quotes do not bring it along. With two of them only DcapEndorsements of one's
   *  own can tell which belongs to which. */
  readonly pckChain?: CertificateChain | undefined
}

/** Collateral that does not change: from an offline bundle, or beside Evidence. */
export class FixedDcapEndorsements implements DcapEndorsements {
  /** A digest over all of it: lower-case hex. */
  readonly digest: string
  readonly #tcbInfos = new Map<string, SignedDocument<TcbInfo>>()
  readonly #qeIdentities = new Map<DcapTee, SignedDocument<QeIdentity>>()
  readonly #pckCrls = new Map<PckCa, RevocationList>()
  #rootCrl: RevocationList | undefined
  #pckChain: readonly Uint8Array[] | undefined

  /** Of two items about one thing the newer is kept.
   *  @throws MessageError or CertificateError if one of them cannot be read
   *  @throws TypeError if it has the PCK chains of two platforms */
  constructor(collateral: readonly DcapCollateral[]) {
    for (const one of collateral) {
      if (one.tcbInfo !== undefined) this.#keepTcbInfo(tcbInfoFrom(one.tcbInfo, one.tcbInfoIssuerChain ?? []))
      if (one.qeIdentity !== undefined) {
        const identity = qeIdentityFrom(one.qeIdentity, one.qeIdentityIssuerChain ?? [])
        keepNewer(this.#qeIdentities, identity.content.tee, identity, issueDate)
      }
      if (one.pckCrl) {
        const list = new RevocationList(one.pckCrl)
        keepNewer(this.#pckCrls, pckCaOf(list.crl.issuer), list, thisUpdate)
      }
      if (one.rootCrl) {
        const list = new RevocationList(one.rootCrl)
        if (!this.#rootCrl || thisUpdate(list) > thisUpdate(this.#rootCrl)) this.#rootCrl = list
      }
      if (one.pckChain !== undefined) this.#pckChain = onlyChain(this.#pckChain, chainOf(one.pckChain))
    }
    const digests = [
      ...[...this.#tcbInfos.values(), ...this.#qeIdentities.values()].map(({ digest }) => digest),
      ...[...this.#pckCrls.values(), ...(this.#rootCrl ? [this.#rootCrl] : [])].map(({ crl }) => digestOf(crl.der)),
      ...(this.#pckChain ?? []).map(digestOf),
    ]
    this.digest = digestOf(utf8(digests.sort().join()))
  }

  #keepTcbInfo(tcbInfo: SignedDocument<TcbInfo>): void {
    const { tee, fmspc } = tcbInfo.content
    keepNewer(this.#tcbInfos, `${tee} ${fmspc}`, tcbInfo, issueDate)
  }

  tcbInfo(tee: DcapTee, fmspc: string): SignedDocument<TcbInfo> | undefined {
    return this.#tcbInfos.get(`${tee} ${fmspc}`)
  }

  qeIdentity(tee: DcapTee): SignedDocument<QeIdentity> | undefined {
    return this.#qeIdentities.get(tee)
  }

  pckCrl(ca: PckCa): RevocationList | undefined {
    return this.#pckCrls.get(ca)
  }

  rootCrl(): RevocationList | undefined {
    return this.#rootCrl
  }

  pckChain(): readonly Uint8Array[] | undefined {
    return this.#pckChain
  }
}

function onlyChain(held: readonly Uint8Array[] | undefined, chain: readonly Uint8Array[]): readonly Uint8Array[] {
  if (held && hex(concat(...held)) !== hex(concat(...chain)))
    throw new TypeError('there are PCK chains of two platforms')
  return chain
}

function keepNewer<Key, Item>(items: Map<Key, Item>, key: Key, item: Item, dateOf: (item: Item) => number): void {
  const held = items.get(key)
  if (!held || dateOf(item) > dateOf(held)) items.set(key, item)
}

function issueDate({ content }: SignedDocument<{ readonly issueDate: number }>): number {
  return content.issueDate
}

function thisUpdate({ crl }: RevocationList): number {
  return crl.thisUpdate
}

function digestOf(bytes: Uint8Array): string {
  return hex(hash('sha256', bytes))
}

/** Which CA a name is that of: the names of the two are all that tells them apart. */
export function pckCaOf(issuer: Name): PckCa {
  return /\bPlatform CA$/.test(commonNameOf(issuer)) ? 'platform' : 'processor'
}

/** The common name; empty if there is none. */
export function commonNameOf(name: Name): string {
  return name.attribute('2.5.4.3') ?? ''
}

/** A piece of Intel's collateral that is not at hand, or not good.
 *  @param kind as in `dcapNeeds`   @param sentence what is wrong with it */
export function missingItem(
  kind: string,
  sentence: string,
  code: EndorsementErrorCode = 'ERR_ENDORSEMENT_MISSING',
): MissingEndorsement {
  return new MissingEndorsement(sentence, REMEDIES[code], { code, kind })
}

const REMEDIES: Readonly<Record<EndorsementErrorCode, string>> = {
  ERR_ENDORSEMENT_MISSING: 'fetch it from Intel’s PCS or a PCCS, or add it to the offline bundle',
  ERR_ENDORSEMENT_EXPIRED: 'fetch a new one from Intel’s PCS or a PCCS; if it is new, look at the clock',
  ERR_ENDORSEMENT_NOT_YET_VALID: 'look at the clock: the collateral is from later than it says',
  ERR_ENDORSEMENT_INVALID: 'fetch it anew from Intel’s PCS or a PCCS: this one is damaged, or not Intel’s',
}
