import { writeFileSync } from 'node:fs'
import { generateKeys, type Issued, type KeyPair, makeRoot, type PkiKey } from '../support/pki.js'

/** Who has issued all certificates. */
export const ca = makeRoot({ name: 'Interop CA' })

const keys = new Map<PkiKey, KeyPair>()
const identities = new Map<string, Issued>()

/** Bytes that say nothing, in certificates that are to be compressed. */
export const IDLE_LENGTH = 6000
const IDLE_EXTENSION = { oid: '1.3.6.1.4.1.99999.1', value: derOctets(new Uint8Array(IDLE_LENGTH)) }

/** The certificate of the server or of the client, with a key of that kind. @param isLong whether it can be compressed */
export function identityOf(kind: PkiKey, side: 'server' | 'client' = 'server', isLong = false) {
  const name = `${side} ${kind} ${isLong}`
  const issued = identities.get(name) ?? issue(kind, side, isLong)
  identities.set(name, issued)
  return { issued, pem: { cert: issued.pem, key: issued.keyPem } }
}

/** Writes certificate and key into one file. */
export function writeIdentity(
  path: string,
  kind: PkiKey,
  side: 'server' | 'client' = 'server',
  isLong = false,
): string {
  const { issued } = identityOf(kind, side, isLong)
  writeFileSync(path, issued.pem + issued.keyPem)
  return path
}

/** NSS wants keyEncipherment of RSA keys, although in TLS 1.3 nothing is enciphered with them. */
function usageOf(kind: PkiKey) {
  return kind === 'rsa2048' ? { keyUsage: ['digitalSignature', 'keyEncipherment'] as const } : {}
}

function issue(kind: PkiKey, side: 'server' | 'client', isLong: boolean): Issued {
  const pair = keys.get(kind) ?? generateKeys(kind)
  keys.set(kind, pair)
  const extraExtensions = isLong ? [IDLE_EXTENSION] : []
  return ca.issue(
    side === 'server'
      ? { subject: 'localhost', dnsNames: ['localhost'], keys: pair, extraExtensions, ...usageOf(kind) }
      : { subject: 'a client', extendedKeyUsage: ['clientAuth'], keys: pair, extraExtensions },
  )
}

/** An OCTET STRING of 256 to 65535 bytes. */
function derOctets(content: Uint8Array): Uint8Array {
  return Uint8Array.of(0x04, 0x82, content.length >>> 8, content.length & 0xff, ...content)
}
