import { concat } from '../../bytes/index.js'
import { hash, PublicKey, rawEcdsaSignature, SignatureScheme } from '../../crypto/index.js'
import {
  decodePublicArea,
  encodeTpmBundle,
  type PcrBanks,
  type PcrSelection,
  pcrDigestOf,
  type RegisterHash,
  speaksForKey,
  TPM_MEDIA_TYPE,
  TPM_QUOTE_MEDIA_TYPE,
  tpmHashLength,
} from '../../evidence/index.js'
import {
  type Attester,
  type CborValue,
  type Cmw,
  type EvidenceRequest,
  encodeCbor,
  Indicator,
  PARSEC_TPM_MEDIA_TYPE,
} from '../../rats/index.js'
import type { PlatformKey } from '../simulated-root.js'
import { encodeTcgLog } from './log.js'
import {
  ATTESTATION_KEY,
  encodeCertify,
  encodeEcdsaSignature,
  encodePublicArea,
  encodeQuote,
  SIGNING_KEY,
  type SimulatedAttest,
} from './structures.js'

/** How a simulated TPM is made and asked. */
export interface SimulatedTpmOptions {
  /** Its attestation key, on P-256: from `SimulatedRoot.issue`, or without a chain, to be registered. */
  readonly platform: PlatformKey
  /** The PCRs that are quoted, one quote for each bank; 0 to 7 of SHA-256 unless said. */
  readonly selections?: readonly PcrSelection[]
}

/** What a statement is to say otherwise. */
export interface SimulatedTpmChanges {
  readonly magic?: number
  /** TPMA_OBJECT of the certified key. */
  readonly keyAttributes?: number
  /** TPMA_OBJECT of the attestation key. */
  readonly attestationKeyAttributes?: number
  /** Whether the values of the PCRs come along; true unless said. */
  readonly withValues?: boolean
  /** Whether the event log comes along; true unless said. */
  readonly withLog?: boolean
}

/** A TPM 2.0 made of software. It answers with our own bundle or with Parsec's; both speak for the key, as if it had
 *  been made in the TPM. The certificate of its attestation key says that it is SIMULATED, and so does the version of
 *  its firmware, to people. */
export class SimulatedTpm implements Attester {
  readonly evidenceTypes: readonly string[] = [TPM_MEDIA_TYPE, PARSEC_TPM_MEDIA_TYPE, TPM_QUOTE_MEDIA_TYPE]
  readonly publicKey: PublicKey
  readonly #platform: PlatformKey
  readonly #selections: readonly PcrSelection[]
  readonly #values: ReadonlyMap<RegisterHash, Map<number, Uint8Array>>
  readonly #events: { readonly register: number; readonly data: Uint8Array }[] = []

  constructor({
    platform,
    selections = [{ bank: 'sha256', registers: [0, 1, 2, 3, 4, 5, 6, 7] }],
  }: SimulatedTpmOptions) {
    this.#platform = platform
    this.publicKey = platform.key.publicKey
    this.#selections = selections
    this.#values = new Map(
      selections.map(({ bank, registers }) => [
        bank,
        new Map(registers.map(register => [register, new Uint8Array(tpmHashLength[bank])])),
      ]),
    )
  }

  /** What the attestation key is registered by in our own bundle: its Name. */
  get name(): Uint8Array {
    return decodePublicArea(encodePublicArea(this.publicKey, ATTESTATION_KEY)).name
  }

  /** What it is registered by in Parsec's: a UEID of 33 bytes. */
  get keyId(): Uint8Array {
    return concat(Uint8Array.of(1), hash('sha256', this.publicKey.spki))
  }

  /** The values of the PCRs that are quoted. */
  get values(): PcrBanks {
    return this.#values
  }

  /** Extends a PCR in every bank, and logs it as firmware does. */
  extend(register: number, data: Uint8Array): void {
    this.#events.push({ register, data })
    for (const [bank, values] of this.#values) {
      const held = values.get(register)
      if (held) values.set(register, hash(bank, held, hash(bank, data)))
    }
  }

  speaksForKey(type: string): boolean {
    return speaksForKey(type)
  }

  challengeLength(type: string): number | undefined {
    return type === TPM_QUOTE_MEDIA_TYPE ? 32 : undefined
  }

  async evidence({ type, challenge, key, signal }: EvidenceRequest): Promise<Cmw> {
    signal.throwIfAborted()
    const identityKey = PublicKey.fromSpki(key.spki)
    if (!this.evidenceTypes.includes(type)) throw new RangeError(`a simulated TPM makes no Evidence of type ${type}`)
    const value =
      type === PARSEC_TPM_MEDIA_TYPE
        ? await this.parsecBundle(challenge, identityKey)
        : await this.bundle(challenge, type === TPM_MEDIA_TYPE ? identityKey : null)
    return { kind: 'record', type, value, indicators: Indicator.evidence }
  }

  /** Our own bundle.
   *  @param challenge at most 64 bytes   @param key what the TPM is to certify; null for a bundle that speaks for none */
  async bundle(challenge: Uint8Array, key: PublicKey | null, changes: SimulatedTpmChanges = {}): Promise<Uint8Array> {
    const { withValues = true, withLog = true } = changes
    const quotes = await Promise.all(
      this.#selections.map(selection => this.#signed(this.#quote(challenge, [selection], changes))),
    )
    return encodeTpmBundle({
      attestationKey: encodePublicArea(this.publicKey, changes.attestationKeyAttributes ?? ATTESTATION_KEY),
      chain: this.#platform.chain,
      quotes,
      certified: key ? await this.#certified(challenge, key, changes) : undefined,
      values: withValues ? this.#values : undefined,
      log: withLog ? encodeTcgLog(this.#events) : undefined,
    })
  }

  /** Parsec's bundle: one quote over all that is selected. */
  async parsecBundle(challenge: Uint8Array, key: PublicKey, changes: SimulatedTpmChanges = {}): Promise<Uint8Array> {
    const kat = await this.#certified(challenge, key, changes)
    const pat = await this.#signed(this.#quote(challenge, this.#selections, changes))
    const common: readonly [string, CborValue][] = [
      ['tpmVer', '2.0'],
      ['kid', this.keyId],
    ]
    return encodeCbor(
      new Map([
        [
          'kat',
          new Map<string, CborValue>([
            ...common,
            ['sig', kat.signature],
            ['certInfo', kat.attest],
            ['pubArea', kat.publicArea],
          ]),
        ],
        ['pat', new Map<string, CborValue>([...common, ['sig', pat.signature], ['attestInfo', pat.attest]])],
      ]),
    )
  }

  /** EnactTrust's token of a node.
   *  @param node 16 bytes */
  async enactTrustToken(node: Uint8Array, challenge: Uint8Array): Promise<Uint8Array> {
    const { attest, signature } = await this.#signed(this.#quote(challenge, this.#selections, {}))
    return concat(node, Uint8Array.of(attest.length >> 8, attest.length & 0xff), attest, signature)
  }

  #quote(challenge: Uint8Array, selections: readonly PcrSelection[], changes: SimulatedTpmChanges): Uint8Array {
    const digest = pcrDigestOf(selections, this.#values, 'sha256')
    if (!digest) throw new RangeError('a register is selected that the TPM does not have')
    return encodeQuote(this.#attest(challenge, changes), selections, digest)
  }

  async #certified(challenge: Uint8Array, key: PublicKey, changes: SimulatedTpmChanges) {
    const publicArea = encodePublicArea(key, changes.keyAttributes ?? SIGNING_KEY)
    const { name } = decodePublicArea(publicArea)
    return { ...(await this.#signed(encodeCertify(this.#attest(challenge, changes), name, name))), publicArea }
  }

  #attest(extraData: Uint8Array, { magic }: SimulatedTpmChanges): SimulatedAttest {
    return { qualifiedSigner: this.name, extraData, ...(magic !== undefined && { magic }) }
  }

  async #signed(attest: Uint8Array): Promise<{ readonly attest: Uint8Array; readonly signature: Uint8Array }> {
    const der = await this.#platform.key.sign(SignatureScheme.ecdsa_secp256r1_sha256, attest)
    return { attest, signature: encodeEcdsaSignature(rawEcdsaSignature(der, 32)) }
  }
}
