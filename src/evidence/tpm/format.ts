import { type Cmw, decodeParsecTpm, PARSEC_TPM_MEDIA_TYPE, type ParsecTpm } from '../../rats/index.js'
import { appraiseReport } from '../appraise-platform.js'
import { checkAttestedKey, checkChallenge } from '../checks.js'
import { vectorOf } from '../finding.js'
import { type Appraisal, type AppraisalInputs, type EvidenceFormat, MalformedEvidence } from '../format.js'
import { recordOf, wellFormed } from '../message.js'
import { decodeAttest } from './attest.js'
import { decodeStatement, decodeTpmBundle, type TpmEvidence } from './evidence.js'
import { tpmPlatform } from './platform.js'
import { decodePublicArea } from './public-area.js'
import { readSignature } from './signature.js'
import { malformed, readStructure, sized } from './structure.js'

/** The media type of our own bundle of what a TPM says of a key and of itself; nothing is registered for it. */
export const TPM_MEDIA_TYPE = 'application/vnd.attested-tls.tpm+cbor'
/** That of the same without a key: quotes alone. */
export const TPM_QUOTE_MEDIA_TYPE = 'application/vnd.attested-tls.tpm-quote+cbor'
/** That of EnactTrust's tokens, as Veraison has it. */
export const ENACTTRUST_MEDIA_TYPE = 'application/vnd.enacttrust.tpm-evidence'

/** Our own bundle: quotes of one or several banks, the certified key, the values of the PCRs, the event log. */
export const tpmBundle: EvidenceFormat = {
  name: 'TPM 2.0 bundle',
  kinds: [tpmPlatform.kind],
  mediaTypes: [TPM_MEDIA_TYPE],
  challengeLength: undefined,
  speaksForKey: true,
  appraise: (message, inputs) => appraiseTpm(read(message, decodeTpmBundle), inputs, 'certified key'),
}

/** Our own bundle without a certified key: whoever holds the TIK keeps it elsewhere than in the TPM. */
export const tpmQuotes: EvidenceFormat = {
  name: 'TPM 2.0 quotes',
  kinds: [tpmPlatform.kind],
  mediaTypes: [TPM_QUOTE_MEDIA_TYPE],
  challengeLength: 32,
  speaksForKey: false,
  appraise: (message, inputs) => appraiseTpm(read(message, decodeTpmBundle), inputs, 'no key'),
}

/** Parsec's bundle for a TPM: a certified key and a quote, and the name of the attestation key that is registered. */
export const parsecTpmBundle: EvidenceFormat = {
  name: 'Parsec bundle for TPM 2.0',
  kinds: [tpmPlatform.kind],
  mediaTypes: [PARSEC_TPM_MEDIA_TYPE],
  challengeLength: undefined,
  speaksForKey: true,
  appraise: (message, inputs) => appraiseTpm(read(message, decodeParsecTpmEvidence), inputs, 'certified key'),
}

/** EnactTrust's token: a quote, and the node that is registered. It holds a challenge only if the agent was given one
 *  to put into the quote, and speaks for no key. */
export const enactTrustToken: EvidenceFormat = {
  name: 'EnactTrust token',
  kinds: [tpmPlatform.kind],
  mediaTypes: [ENACTTRUST_MEDIA_TYPE],
  challengeLength: 32,
  speaksForKey: false,
  appraise: (message, inputs) => appraiseTpm(read(message, decodeEnactTrustToken), inputs, 'no key'),
}

/** Parsec's bundle as what a TPM says. @throws CborError or MessageError */
export function decodeParsecTpmEvidence(bytes: Uint8Array): TpmEvidence {
  const { kat, pat }: ParsecTpm = decodeParsecTpm(bytes)
  return {
    attestationKey: { id: kat.keyId, publicArea: undefined, chain: [] },
    quotes: [decodeStatement(pat.attestInfo, pat.signature)],
    certified: {
      statement: decodeStatement(kat.certInfo, kat.signature),
      publicArea: decodePublicArea(kat.publicArea),
    },
    values: new Map(),
    log: undefined,
  }
}

/** Reads EnactTrust's token: 16 bytes of the node's UUID, the length of a TPMS_ATTEST in two, itself, and a
 *  TPMT_SIGNATURE.
 *  @throws MessageError */
export function decodeEnactTrustToken(bytes: Uint8Array): TpmEvidence {
  if (bytes.length > MOST_BYTES)
    throw malformed(`the token has ${bytes.length} bytes, where ${MOST_BYTES} are the most`)
  return readStructure(bytes, 'the token', reader => {
    const id = reader.bytes(16)
    const attest = sized(reader)
    const signature = readSignature(reader)
    return {
      attestationKey: { id, publicArea: undefined, chain: [] },
      quotes: [{ bytes: attest, attest: decodeAttest(attest), signature }],
      certified: undefined,
      values: new Map(),
      log: undefined,
    }
  })
}

const MOST_BYTES = 8192

function read(message: Cmw, decode: (bytes: Uint8Array) => TpmEvidence): TpmEvidence {
  return wellFormed(() => decode(recordOf(message, 'what a TPM says').value))
}

function appraiseTpm(evidence: TpmEvidence, inputs: AppraisalInputs, speaksFor: 'certified key' | 'no key'): Appraisal {
  const isForKey = speaksFor === 'certified key'
  if (!isForKey && evidence.certified) throw new MalformedEvidence('quotes alone came with a certified key')
  const attestedKey = evidence.certified?.publicArea.key?.spki ?? null
  const { findings, environment, challenge, isGenuine, isSimulated } = appraiseReport(
    tpmPlatform,
    evidence,
    inputs,
    found => [
      checkChallenge(found, inputs.challenge),
      ...(isForKey ? [checkAttestedKey(attestedKey, inputs.key)] : []),
    ],
  )
  return {
    checks: findings.map(({ check }) => check),
    environments: { [tpmPlatform.kind]: { ...environment, vector: vectorOf(findings) } },
    attestedKey: isGenuine ? attestedKey : null,
    challenge: isGenuine ? challenge : null,
    isSimulated,
  }
}
