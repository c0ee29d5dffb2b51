/** A flag of the shim that we do not have, or one that asks for what we do not do: the test cannot be run. */
export class Unimplemented extends Error {}

/** The flags that count for one connection, or for one credential of it. */
export class Flags {
  readonly #values = new Map<string, readonly string[]>()
  /** Credentials in the order in which `-new-…-credential` introduced them. */
  readonly credentials: CredentialFlags[] = []

  set(name: string, value: string): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), value])
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1)
  }

  number(name: string): number | undefined {
    const text = this.text(name)
    return text === undefined ? undefined : Number(text)
  }

  /** All values of a flag that may be given many times; undefined if it was not given at all. */
  numbers(name: string): readonly number[] | undefined {
    return this.#values.get(name)?.map(Number)
  }

  /** Names in hexadecimal, with commas between them; undefined if there is no such flag. */
  names(name: string): readonly Uint8Array[] | undefined {
    const text = this.text(name)
    return text?.split(',').map(hex => Uint8Array.from(Buffer.from(hex, 'hex')))
  }

  /** A value in base64; an empty one is empty. */
  bytes(name: string): Uint8Array | undefined {
    const text = this.text(name)
    return text === undefined ? undefined : Uint8Array.from(Buffer.from(text, 'base64'))
  }
}

/** The flags of one credential. */
export class CredentialFlags extends Flags {
  readonly kind: string

  constructor(kind: string) {
    super()
    this.kind = kind
  }
}

/** What a shim is started with: the flags of its first connection, of those that resume it, and of those that go on after
 *  early data was rejected. */
export interface CommandLine {
  readonly initial: Flags
  readonly resume: Flags
  readonly retry: Flags
}

/** Reads the arguments of a shim. @throws Unimplemented for a flag that is not in the lists below */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const line = { initial: new Flags(), resume: new Flags(), retry: new Flags() }
  for (let i = 0; i < args.length; i++) {
    const [, side, when, name = ''] = FLAG.exec(args[i] ?? '') ?? []
    if (!SWITCHES.has(name) && !VALUED.has(name)) throw new Unimplemented(`unknown flag ${args[i]}`)
    const value = VALUED.has(name) ? (args[++i] ?? '') : ''
    if (side === 'handshaker') continue
    for (const flags of when ? [line[when as keyof typeof line]] : Object.values(line)) add(flags, name, value)
  }
  return line
}

const FLAG = /^(?:-on-(shim|handshaker))?(?:-on-(initial|resume|retry))?(-.*)$/

function add(flags: Flags, name: string, value: string): void {
  const [, kind] = NEW_CREDENTIAL.exec(name) ?? []
  const credential = flags.credentials.at(-1)
  if (kind) flags.credentials.push(new CredentialFlags(kind))
  else if (credential && OF_CREDENTIALS.has(name)) credential.set(name, value)
  else flags.set(name, value)
}

const NEW_CREDENTIAL = /^-new-(.*)-credential$/

/** Flags that stand for themselves. */
const SWITCHES: ReadonlySet<string> = new Set([
  '-allow-hint-mismatch',
  '-allow-unknown-alpn-protos',
  '-async',
  '-check-close-notify',
  '-decline-alpn',
  '-decline-ocsp-callback',
  '-dtls',
  '-enable-early-data',
  '-enable-grease',
  '-enable-ocsp-stapling',
  '-expect-accept-early-data',
  '-expect-extended-master-secret',
  '-expect-hrr',
  '-expect-no-hrr',
  '-expect-no-offer-early-data',
  '-expect-no-peer-cert',
  '-expect-no-session',
  '-expect-no-session-id',
  '-expect-reject-early-data',
  '-expect-secure-renegotiation',
  '-expect-session-miss',
  '-expect-ticket-supports-early-data',
  '-expect-verify-result',
  '-export-traffic-secrets',
  '-fail-cert-callback',
  '-fail-ocsp-callback',
  '-fallback-scsv',
  '-implicit-handshake',
  '-install-cert-compression-algs',
  '-ipv6',
  '-is-handshaker-supported',
  '-key-update',
  '-key-update-before-read',
  '-must-match-issuer',
  '-new-psk-credential',
  '-new-rpk-credential',
  '-new-x509-credential',
  '-no-key-shares',
  '-no-legacy-server-connect',
  '-no-op-extra-handshake',
  '-no-server-name-ack',
  '-no-ticket',
  '-no-tls1',
  '-no-tls11',
  '-no-tls12',
  '-no-tls13',
  '-peek-then-read',
  '-permute-extensions',
  '-psk-importer-sha256',
  '-psk-importer-sha384',
  '-reject-alpn',
  '-renegotiate-freely',
  '-require-any-client-certificate',
  '-reverify-on-resume',
  '-select-empty-alpn',
  '-send-alert',
  '-server',
  '-server-preference',
  '-set-ocsp-in-callback',
  '-shim-shuts-down',
  '-shim-writes-first',
  '-use-custom-verify-callback',
  '-use-early-callback',
  '-use-export-context',
  '-use-ocsp-callback',
  '-use-old-client-cert-callback',
  '-verify-fail',
  '-verify-peer',
])

/** Flags that belong to a credential once one was introduced, and to the default credential before. */
const OF_CREDENTIALS: ReadonlySet<string> = new Set([
  '-cert-file',
  '-key-file',
  '-must-match-issuer',
  '-ocsp-response',
  '-psk-importer-context',
  '-psk-importer-identity',
  '-psk-importer-key',
  '-psk-importer-sha256',
  '-psk-importer-sha384',
  '-signing-prefs',
])

/** Flags with a value behind them. */
const VALUED: ReadonlySet<string> = new Set([
  '-accepted-peer-cert-types',
  '-advertise-alpn',
  '-available-client-cert-types',
  '-cert-file',
  '-curves',
  '-early-write-after-message',
  '-expect-advertised-alpn',
  '-expect-alpn',
  '-expect-cipher',
  '-expect-cipher-aes',
  '-expect-cipher-no-aes',
  '-expect-client-ca-list',
  '-expect-curve-id',
  '-expect-early-data-reason',
  '-expect-ocsp-response',
  '-expect-peer-cert-file',
  '-expect-peer-certificate-type',
  '-expect-peer-rpk-sha256',
  '-expect-peer-signature-algorithm',
  '-expect-peer-verify-pref',
  '-expect-selected-credential',
  '-expect-server-name',
  '-expect-ticket-age-skew',
  '-expect-version',
  '-export-context',
  '-export-keying-material',
  '-export-label',
  '-host-name',
  '-install-one-cert-compression-alg',
  '-key-file',
  '-key-shares',
  '-max-cert-list',
  '-max-send-fragment',
  '-initial-timeout-duration-ms',
  '-max-version',
  '-mtu',
  '-private-key-delay-ms',
  '-min-version',
  '-ocsp-response',
  '-port',
  '-psk-importer-context',
  '-psk-importer-identity',
  '-psk-importer-key',
  '-read-size',
  '-repeat-shim-initial-write',
  '-resume-count',
  '-resumption-delay',
  '-select-alpn',
  '-shim-id',
  '-shim-initial-write',
  '-signing-prefs',
  '-trust-cert',
  '-use-client-ca-list',
  '-verify-prefs',
])
