import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Issued, makeRoot } from '../../../test/support/pki.js'
import type { CredentialKind } from './scenarios.js'

/** What ends authenticate with: as options of ours, and as arguments for a peer's program. */
export interface Credentials {
  of(kind: CredentialKind): {
    readonly own: Record<'client' | 'server', { cert?: string; key?: string; ca?: string }>
    readonly peersArguments: Record<'client' | 'server', readonly string[]>
  }
}

/** @param folder for the files of peers */
export function makeCredentials(folder: string): Credentials {
  const ca = makeRoot({ name: 'Interop CA' })
  const file = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const caFile = file('ca.pem', ca.pem)
  const set = (kind: string, further: readonly string[]) => {
    const server = ca.issue({ subject: 'localhost', dnsNames: ['localhost', ...further] })
    const client = ca.issue({ subject: 'a client', dnsNames: further, extendedKeyUsage: ['clientAuth'] })
    const argumentsFor = (name: string, { pem, keyPem }: Issued) => [
      ...['-ca', caFile, '-cert', file(`${kind}-${name}.pem`, pem), '-key', file(`${kind}-${name}.key`, keyPem)],
    ]
    const optionsFor = ({ pem, keyPem }: Issued) => ({ cert: pem, key: keyPem, ca: ca.pem })
    return {
      own: { client: optionsFor(client), server: optionsFor(server) },
      peersArguments: { client: argumentsFor('client', client), server: argumentsFor('server', server) },
    }
  }
  const sets = {
    usual: set('usual', []),
    large: set('large', names(8_000)),
    'very large': set('very-large', names(30_000)),
    none: { own: { client: {}, server: {} }, peersArguments: { client: [], server: [] } },
  }
  return { of: kind => sets[kind] }
}

/** Names that make a certificate so many bytes longer. */
function names(length: number): readonly string[] {
  return Array.from({ length: length / 32 }, (_, i) => `${String(i).padStart(4, '0')}.a-rather-long-name.example`)
}
