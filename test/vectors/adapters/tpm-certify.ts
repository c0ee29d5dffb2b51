import { equalBytes, hex } from '#src/bytes/index.js'
import { hash, type PublicKey } from '#src/crypto/index.js'
import {
  checkKeyName,
  checkMagic,
  checkStatementType,
  decodeAttest,
  decodePublicArea,
  type RegisterHash,
  type TpmAttest,
  tpmHashes,
} from '#src/evidence/index.js'
import { asMap, decodeCbor, decodeJson, MessageError, publicKeyOfCoseKey } from '#src/rats/index.js'
import { type Certificate, CertificateError, parseCertificate } from '#src/x509/index.js'
import { type Facts, fileOf, type Outcome, textInput, type VectorCase } from '../adapter.js'
import {
  attestFacts,
  certificateFacts,
  chained,
  type Failure,
  note,
  noteFinding,
  outcomeOf,
  publicFacts,
} from './tpm-facts.js'

/** A key that a TPM has certified, as WebAuthn carries it (W3C Web Authentication Level 3 §8.3): the extra data is the hash
 *  over authenticator data and client data, and the challenge stands in the latter. */
export function tpmCertify(vector: VectorCase): Outcome {
  const failures: Failure[] = []
  const leaf = chained(vector, ['aik_cert', 'aik_intermediate'], 'root', failures)
  const certInfo = fileOf(vector, 'cert_info')
  const isSigned = aikSigned(vector, parseCertificateOrNot(fileOf(vector, 'aik_cert')) ?? leaf, certInfo)
  note(failures, isSigned, ['signature', 'sig'], 'the key did not sign it')
  const facts: Record<string, unknown> = { ...clientFacts(vector, failures), ...authenticatorFacts(vector) }
  note(
    failures,
    facts.challenge === textInput(vector, 'expected_challenge'),
    ['nonce-mismatch', 'challenge'],
    'another challenge',
  )
  note(failures, facts.type === 'webauthn.create', ['type'], 'not the creation of a key')
  const aik = certificateFacts(fileOf(vector, 'aik_cert'))
  facts.aik_issuer = aik.issuer
  facts.aik_validity = aik.validity
  try {
    const attest = decodeAttest(certInfo)
    facts.cert_info = attestFacts(attest)
    // Before it is read: bytes of another Name are another key's, or no key's at all.
    note(failures, isNamedBy(attest, fileOf(vector, 'pub_area')), ['name-binding', 'name_binds_pub'], 'another Name')
    const publicArea = decodePublicArea(fileOf(vector, 'pub_area'))
    facts.pub_area = publicFacts(publicArea)
    noteFinding(failures, checkMagic(attest), ['magic'])
    noteFinding(failures, checkStatementType(attest, 'certify'), ['type'])
    const statement = { bytes: certInfo, attest, signature: NO_SIGNATURE }
    noteFinding(failures, checkKeyName({ statement, publicArea }), ['name-binding', 'name_binds_pub'])
    note(failures, equalBytes(attest.extraData, clientHash(vector)), ['extra-data', 'extra_data'], 'other extra data')
    const credential = credentialKeyOf(vector)
    const isSame =
      credential !== null && publicArea.key !== undefined && equalBytes(credential.spki, publicArea.key.spki)
    note(failures, isSame, ['cred_key_matches_pubarea'], 'the credential is another key')
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    failures.push({ reasons: ['malformed'], sentence: error.message })
  }
  return outcomeOf(failures, facts)
}

/** Whether the Name that was certified is the hash over these bytes, by the function in its first two. */
function isNamedBy({ attested }: TpmAttest, publicArea: Uint8Array): boolean {
  if (attested.kind !== 'certify') return false
  const algorithm = ((attested.name[0] ?? 0) << 8) | (attested.name[1] ?? 0)
  const name = tpmHashes.get(algorithm)
  return name !== undefined && equalBytes(attested.name.subarray(2), hash(name, publicArea))
}

/** WebAuthn has no TPMT_SIGNATURE: the signature is checked before this is needed. */
const NO_SIGNATURE = { scheme: 'rsassa', hash: 'sha256', signature: new Uint8Array(0) } as const

function parseCertificateOrNot(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der)
  } catch (error) {
    if (error instanceof CertificateError) return undefined
    throw error
  }
}

/** WebAuthn's signatures are those of COSE and X.509: bare for RSA, DER for ECDSA. */
function aikSigned(vector: VectorCase, aik: Certificate | undefined, data: Uint8Array): boolean {
  const name = hashIn(vector)
  const algorithm = ALGORITHMS[Number(vector.inputs.cose_alg)]
  if (!aik || !algorithm) return false
  try {
    return aik.publicKey.verify({ ...algorithm, hash: name }, data, fileOf(vector, 'signature'))
  } catch (error) {
    if (error instanceof CertificateError) return false
    throw error
  }
}

const ALGORITHMS: Readonly<Record<number, { kind: 'ecdsa'; encoding: 'der' } | { kind: 'rsa-pkcs1' }>> = {
  [-7]: { kind: 'ecdsa', encoding: 'der' },
  [-35]: { kind: 'ecdsa', encoding: 'der' },
  [-36]: { kind: 'ecdsa', encoding: 'der' },
  [-257]: { kind: 'rsa-pkcs1' },
  [-258]: { kind: 'rsa-pkcs1' },
  [-259]: { kind: 'rsa-pkcs1' },
  [-65535]: { kind: 'rsa-pkcs1' },
}

function hashIn(vector: VectorCase): RegisterHash {
  const name = textInput(vector, 'hash') ?? 'sha256'
  for (const known of ['sha1', 'sha256', 'sha384', 'sha512'] as const) if (known === name) return known
  throw new Error(`${vector.name}: ${name} is no hash of a TPM`)
}

function clientHash(vector: VectorCase): Uint8Array {
  return hash(hashIn(vector), fileOf(vector, 'auth_data'), hash('sha256', fileOf(vector, 'client_data_json')))
}

function clientFacts(vector: VectorCase, failures: Failure[]): Facts {
  try {
    const client = asMap(decodeJson(fileOf(vector, 'client_data_json')), 'the client data')
    return { origin: client.get('origin'), challenge: client.get('challenge'), type: client.get('type') }
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    failures.push({ reasons: ['malformed'], sentence: error.message })
    return {}
  }
}

/** rpIdHash, flags, counter, then the AAGUID (W3C Web Authentication Level 3 §6.1). */
function authenticatorFacts(vector: VectorCase): Facts {
  const data = fileOf(vector, 'auth_data')
  return { rp_id_hash: hex(data.subarray(0, 32)), flags: data[32], aaguid: hex(data.subarray(37, 53)) }
}

function credentialKeyOf(vector: VectorCase): PublicKey | null {
  const data = fileOf(vector, 'auth_data')
  const idLength = ((data[53] ?? 0) << 8) | (data[54] ?? 0)
  try {
    return publicKeyOfCoseKey(withoutAlgorithm(data.subarray(55 + idLength)))
  } catch (error) {
    if (error instanceof MessageError) return null
    throw error
  }
}

/** COSE's RSA keys in WebAuthn name RS256 and RS1, which no message here is signed with. */
function withoutAlgorithm(key: Uint8Array) {
  const members = new Map(asMap(decodeCbor(key, 'tolerant'), 'the credential key'))
  members.delete(3)
  return members
}
