import { PublicKey } from '#src/crypto/index.js'
import {
  checkSignedCmw,
  decodeCmw,
  decodeCmwExtension,
  decodeEatClaims,
  encodeCmw,
  ID_PE_CMW,
} from '#src/rats/index.js'
import { describeName, parseCertificate } from '#src/x509/index.js'
import { type Facts, fileOf, type Outcome, type VectorCase } from '../adapter.js'
import { rejection } from './message-reasons.js'

/** CMW: signed, plain, and in a certificate. Files in diagnostic notation are for people. */
export async function cmw(vector: VectorCase): Promise<Outcome> {
  try {
    if (vector.files.has('certificate')) return { outcome: 'accept', facts: inCertificate(vector) }
    if (vector.check === 'cmw-signed') {
      const key = PublicKey.fromJwk(JSON.parse(Buffer.from(fileOf(vector, 'signer_pub')).toString()))
      await checkSignedCmw(fileOf(vector, 'cmw'), key)
      return { outcome: 'accept', facts: {} }
    }
    const plain = [...vector.files].filter(([name]) => !name.endsWith('_diag'))
    for (const [name, bytes] of plain) readAgain(name, bytes)
    return { outcome: 'accept', facts: { valid: plain.map(([name]) => fileName(name)) } }
  } catch (error) {
    return rejection(error)
  }
}

function readAgain(name: string, bytes: Uint8Array): void {
  if (name.startsWith('eat_')) decodeEatClaims(bytes, 'json')
  else decodeCmw(encodeCmw(decodeCmw(bytes)))
}

/** `collection_ok_json` is `collection-ok.json` on disk. */
function fileName(name: string): string {
  return name.replace(/_([a-z]+)$/, '.$1').replaceAll('_', '-')
}

function inCertificate(vector: VectorCase): Facts {
  const certificate = parseCertificate(fileOf(vector, 'certificate'))
  const extension = certificate.extensions.get(ID_PE_CMW)
  if (!extension) return { extension_present: false }
  decodeCmwExtension(extension.value)
  return {
    extension_present: true,
    critical: extension.isCritical,
    subject: describeName(certificate.subject).replace(/(?<!\\), /g, ','),
    validity: [certificate.notBefore, certificate.notAfter].map(at => new Date(at).toISOString().replace('.000Z', 'Z')),
    extension_value_hex: Buffer.from(extension.value).toString('hex'),
  }
}
