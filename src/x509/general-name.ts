import { refusal } from './certificate-error.js'
import { contextTag, type DerValue } from './der.js'
import { latin1, type Name, readName } from './name.js'

/** GeneralNames (RFC 5280 §4.2.1.6), sorted by their form. */
export interface GeneralNames {
  /** As they stand: letter case, wildcards and all. */
  readonly dnsNames: readonly string[]
  /** 4 or 16 bytes each; in name constraints 8 or 32, the address and its mask. */
  readonly ipAddresses: readonly Uint8Array[]
  readonly emails: readonly string[]
  readonly uris: readonly string[]
  readonly directoryNames: readonly Name[]
  /** The context-specific numbers of the forms that we keep no names of, such as 0 for otherName. */
  readonly otherForms: ReadonlySet<number>
}

/** The forms by number. */
const EMAIL = contextTag(1, false)
const DNS = contextTag(2, false)
const DIRECTORY = contextTag(4, true)
const URI = contextTag(6, false)
const IP = contextTag(7, false)

/** Collects names of all forms. */
export class GeneralNamesBuilder {
  readonly #dnsNames: string[] = []
  readonly #ipAddresses: Uint8Array[] = []
  readonly #emails: string[] = []
  readonly #uris: string[] = []
  readonly #directoryNames: Name[] = []
  readonly #otherForms = new Set<number>()
  readonly #what: string
  readonly #most: number
  #count = 0

  /** @param most how many names there may be */
  constructor(what: string, most: number) {
    this.#what = what
    this.#most = most
  }

  add(value: DerValue): void {
    const what = this.#what
    if (++this.#count > this.#most) throw refusal('ERR_X509_TOO_LARGE', `${what} has more than ${this.#most} names`)
    switch (value.tag) {
      case DNS:
        this.#dnsNames.push(asciiOf(value, what))
        break
      case IP:
        this.#ipAddresses.push(value.content)
        break
      case EMAIL:
        this.#emails.push(asciiOf(value, what))
        break
      case URI:
        this.#uris.push(asciiOf(value, what))
        break
      case DIRECTORY: {
        const reader = value.reader()
        this.#directoryNames.push(readName(reader, `a directory name in ${what}`))
        reader.finish(`a directory name in ${what}`)
        break
      }
      default:
        if ((value.tag & 0xc0) !== 0x80 || (value.tag & 0x1f) > 8) {
          throw refusal('ERR_X509_MALFORMED', `${what} has a value that is no GeneralName`)
        }
        this.#otherForms.add(value.tag & 0x1f)
    }
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  build(): GeneralNames {
    return {
      dnsNames: this.#dnsNames,
      ipAddresses: this.#ipAddresses,
      emails: this.#emails,
      uris: this.#uris,
      directoryNames: this.#directoryNames,
      otherForms: this.#otherForms,
    }
  }
}

function asciiOf(value: DerValue, what: string): string {
  const content = value.content
  for (const byte of content) {
    if (byte >= 0x80) throw refusal('ERR_X509_MALFORMED', `${what} has a name with characters outside of ASCII`)
  }
  return latin1(content)
}
