import { matchesGlob } from './glob.js'

/** What the runner says of a test. */
export type Outcome = 'PASS' | 'FAIL' | 'SKIP'

/** Counts for people. */
export interface Report {
  readonly summary: string
  /** Tables in Markdown. */
  readonly page: string
}

/** What became of the tests, counted by what they are about.
 *  @param disabled the reasons, by patterns of names */
export function reportOf(
  names: readonly string[],
  outcomes: ReadonlyMap<string, Outcome>,
  disabled: Readonly<Record<string, string>>,
): Report {
  const rows = new Map<string, Counts>()
  const reasons = new Map<string, number>()
  const total = noCounts()
  for (const name of names) {
    const pattern = Object.keys(disabled).find(glob => matchesGlob(glob, name))
    const key = pattern === undefined ? KEYS[outcomes.get(name) ?? 'SKIP'] : 'disabled'
    const category = categoryOf(name)
    const counts = rows.get(category) ?? noCounts()
    rows.set(category, counts)
    counts[key]++
    total[key]++
    if (pattern !== undefined) {
      const reason = disabled[pattern] ?? ''
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    }
  }
  const failed = names.filter(name => KEYS[outcomes.get(name) ?? 'PASS'] === 'failed')
  const summary = `${total.passed} passed, ${total.failed} failed, ${total.disabled} disabled, ${total.notRun} not run`
  return { summary, page: pageOf(rows, total, reasons, failed) }
}

interface Counts {
  passed: number
  failed: number
  disabled: number
  notRun: number
}

const KEYS: Readonly<Record<Outcome, keyof Counts>> = { PASS: 'passed', FAIL: 'failed', SKIP: 'notRun' }
const noCounts = (): Counts => ({ passed: 0, failed: 0, disabled: 0, notRun: 0 })

function pageOf(
  rows: ReadonlyMap<string, Counts>,
  total: Counts,
  reasons: ReadonlyMap<string, number>,
  failed: readonly string[],
): string {
  const line = (name: string, { passed, failed, disabled, notRun }: Counts) =>
    `| ${name} | ${passed} | ${failed} | ${disabled} | ${notRun} |`
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
  const why = [...reasons].sort(([, a], [, b]) => b - a).map(([reason, count]) => `| ${count} | ${reason} |`)
  return [
    '| about | passed | failed | disabled | not run |',
    '|---|---|---|---|---|',
    ...sorted.map(([name, counts]) => line(name, counts)),
    line('**all**', total),
    '',
    ...(failed.length > 0 ? ['Failed:', '', ...failed.map(name => `- ${name}`), ''] : []),
    '### Disabled, and why',
    '',
    '| tests | reason |',
    '|---|---|',
    ...why,
    '',
  ].join('\n')
}

function categoryOf(name: string): string {
  return CATEGORIES.find(([, pattern]) => pattern.test(name))?.[0] ?? 'the rest'
}

const CATEGORIES: readonly (readonly [string, RegExp])[] = [
  ['loss, timers and acknowledgements', /^DTLS-(Retransmit|Replay|Fragment)|^Reorder|^MixComplete|^MTU|PacketLoss/],
  ['compliance policies', /^Compliance/],
  [
    "extensions of BoringSSL's own",
    /^ALPS|ChannelID|^PAKE|ServerPadding|TrustAnchor|DelegatedCred|JDK11|^QUIC|RetainOnly/,
  ],
  ['0-RTT', /EarlyData|0RTT|TicketAgeSkew|HalfRTT/],
  ['raw public keys (RFC 7250)', /CertificateType|RawPublicKey/],
  ['PSK importer (RFC 9258)', /^PSK-/],
  ['certificate compression (RFC 8879)', /CertCompression|CertificateCompression/],
  ['OCSP and SCT', /OCSP|SCT|SignedCertificateTimestamp|ExtensionsOnIntermediate|CertificateExtensions/],
  ['choice of credentials', /^CertificateSelection/],
  ['key exchange', /Curve|MLKEM|KeyShare|PostQuantum/],
  ['signatures and keys', /Sign|Verify|RSA|ECDSA|Ed25519|Key(Usage|Values)/],
  ['certificates', /Certificate|ClientAuth|ClientCA/],
  ['HelloRetryRequest', /HelloRetryRequest|HRR/],
  ['resumption', /Resum|Ticket|Session|Binder/],
  ['KeyUpdate', /KeyUpdate/],
  ['extensions', /Extension|ALPN|ServerName|SNI|GREASE/],
  ['order and form of messages', /Message|Handshake|Partial|Trailing|Skip|Unencrypted|EndOfFlight/],
  ['records, alerts and closing', /Record|Alert|Shutdown|Fragment|Empty|Plaintext|MaxSend|ChangeCipherSpec|Padding/],
]
