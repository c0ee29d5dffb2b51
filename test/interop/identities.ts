import { writeFileSync } from 'node:fs'
import { generateKeys, type Issued, type KeyPair, makeRoot, type PkiKey } from '../support/pki.js'

/** Who has issued all certificates. */
export const ca = makeRoot({ name: 'Interop CA' })

const keys = new Map<PkiKey, KeyPair>()
const identities = new Map<string, Issued>()

/** The certificate of the server or of the client, with a key of that kind. */
export function identityOf(kind: PkiKey, side: 'server' | 'client' = 'server') {
  const name = `${side} ${kind}`
  const issued = identities.get(name) ?? issue(kind, side)
  identities.set(name, issued)
  return { issued, pem: { cert: issued.pem, key: issued.keyPem } }
}

/** Writes certificate and key into one file. */
export function writeIdentity(path: string, kind: PkiKey, side: 'server' | 'client' = 'server'): string {
  const { issued } = identityOf(kind, side)
  writeFileSync(path, issued.pem + issued.keyPem)
  return path
}

/** NSS wants keyEncipherment of RSA keys, although in TLS 1.3 nothing is enciphered with them. */
function usageOf(kind: PkiKey) {
  return kind === 'rsa2048' ? { keyUsage: ['digitalSignature', 'keyEncipherment'] as const } : {}
}

function issue(kind: PkiKey, side: 'server' | 'client'): Issued {
  const pair = keys.get(kind) ?? generateKeys(kind)
  keys.set(kind, pair)
  return ca.issue(
    side === 'server'
      ? { subject: 'localhost', dnsNames: ['localhost'], keys: pair, ...usageOf(kind) }
      : { subject: 'a client', extendedKeyUsage: ['clientAuth'], keys: pair },
  )
}
