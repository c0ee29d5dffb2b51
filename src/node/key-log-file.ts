import { appendFileSync } from 'node:fs'
import type { Attestation } from '../attestation/index.js'
import { MisuseError } from '../handshake/index.js'

/** Where secrets are logged to: the option, or what the environment says. Where the peer is promised that its data stay with who
 *  has attested (profile `hardened`), nowhere.
 *  @throws MisuseError if the option is given there */
export function keyLogFileOf(option: string | undefined, attestation: Attestation | undefined): string | undefined {
  const path = option ?? process.env.SSLKEYLOGFILE
  if (path === undefined || path === '') return undefined
  if (attestation?.allowsKeyLog ?? true) return path
  if (option !== undefined)
    throw new MisuseError('`keyLogFile`: the profile hardened logs no keys', 'ERR_ATTESTATION_CONFIG')
  warnOnce('SSLKEYLOGFILE is passed over where attestation is of the profile hardened, which logs no keys')
  return undefined
}

/** Whether the listeners for 'keylog' have something to hear. */
export function mayTellKeys(listeners: number, attestation: Attestation | undefined): boolean {
  if (listeners === 0) return false
  if (attestation?.allowsKeyLog ?? true) return true
  warnOnce(
    "nothing is emitted to listeners for 'keylog' where attestation is of the profile hardened, which logs no keys",
  )
  return false
}

/** Appends lines in the NSS key log format. Who can read the file can read the connections, so nobody else may. */
export function appendKeyLog(path: string, lines: string): void {
  warnOnce(`TLS secrets are being appended to ${path}: whoever reads that file can decrypt the connections`)
  appendFileSync(path, lines, { mode: 0o600 })
}

function warnOnce(sentence: string): void {
  if (warned.has(sentence)) return
  warned.add(sentence)
  process.emitWarning(sentence, { type: 'SecurityWarning', code: 'ATTESTED_TLS_KEY_LOG' })
}
const warned = new Set<string>()
