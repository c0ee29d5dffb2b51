import { appendFileSync } from 'node:fs'

/** Where secrets are logged to: the option, or what the environment says. */
export function keyLogFileOf(option: string | undefined): string | undefined {
  const path = option ?? process.env.SSLKEYLOGFILE
  return path === '' ? undefined : path
}

/** Appends lines in the NSS key log format. Who can read the file can read the connections, so nobody else may. */
export function appendKeyLog(path: string, lines: string): void {
  warnOnce(path)
  appendFileSync(path, lines, { mode: 0o600 })
}

function warnOnce(path: string): void {
  if (warned.has(path)) return
  warned.add(path)
  process.emitWarning(
    `TLS secrets are being appended to ${path}: whoever reads that file can decrypt the connections`,
    {
      type: 'SecurityWarning',
      code: 'ATTESTED_TLS_KEY_LOG',
    },
  )
}
const warned = new Set<string>()
