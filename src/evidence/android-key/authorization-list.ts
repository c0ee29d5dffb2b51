import { concat } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { booleanOf, DerReader, type DerValue, integerOf, Tag } from '../../x509/index.js'

/** What is known of a key and its device, as somebody enforces it: Android's AuthorizationList. Names are Android's;
 *  what is absent was not said. */
export type AuthorizationList = {
  readonly [Name in keyof typeof TAGS]?: ReturnType<(typeof TAGS)[Name][1]>
} & {
  /** Whether the tags stand in the order of their numbers, as DER has it; not all devices write them so. */
  readonly areTagsOrdered: boolean
}

/** How the device was started. */
export interface RootOfTrust {
  readonly verifiedBootKey: Uint8Array
  /** Whether the boot loader is locked. */
  readonly deviceLocked: boolean
  readonly verifiedBootState: 'verified' | 'self-signed' | 'unverified' | 'failed'
  /** From version 3 on. */
  readonly verifiedBootHash: Uint8Array | undefined
}

/** The app that asked for the key, as the operating system knows it. */
export interface ApplicationId {
  readonly packages: readonly { readonly name: string; readonly version: number }[]
  /** SHA-256 of the certificates that the packages are signed with. */
  readonly signatures: readonly Uint8Array[]
}

/** Where a key comes from, in the order of the numbers. */
const ORIGINS = ['generated', 'derived', 'imported', 'reserved', 'securely-imported'] as const

/** Tags (Android's "Key and ID Attestation", AuthorizationList), each with what reads the value in it. Those that are
 *  not here are passed over. */
const TAGS = {
  purposes: [1, integers],
  algorithm: [2, integer],
  keySize: [3, integer],
  blockModes: [4, integers],
  digests: [5, integers],
  paddings: [6, integers],
  callerNonce: [7, present],
  minMacLength: [8, integer],
  ecCurve: [10, integer],
  rsaPublicExponent: [200, integer],
  mgfDigests: [203, integers],
  rollbackResistance: [303, present],
  earlyBootOnly: [305, present],
  activeDateTime: [400, integer],
  originationExpireDateTime: [401, integer],
  usageExpireDateTime: [402, integer],
  usageCountLimit: [405, integer],
  noAuthRequired: [503, present],
  userAuthType: [504, integer],
  authTimeout: [505, integer],
  allowWhileOnBody: [506, present],
  trustedUserPresenceRequired: [507, present],
  trustedConfirmationRequired: [508, present],
  unlockedDeviceRequired: [509, present],
  allApplications: [600, present],
  creationDateTime: [701, integer],
  origin: [702, origin],
  rollbackResistant: [703, present],
  rootOfTrust: [704, rootOfTrust],
  osVersion: [705, integer],
  osPatchLevel: [706, integer],
  attestationApplicationId: [709, applicationId],
  attestationIdBrand: [710, text],
  attestationIdDevice: [711, text],
  attestationIdProduct: [712, text],
  attestationIdSerial: [713, text],
  attestationIdImei: [714, text],
  attestationIdMeid: [715, text],
  attestationIdManufacturer: [716, text],
  attestationIdModel: [717, text],
  vendorPatchLevel: [718, integer],
  bootPatchLevel: [719, integer],
  deviceUniqueAttestation: [720, present],
  attestationIdSecondImei: [723, text],
  moduleHash: [724, octets],
} as const

interface Row {
  readonly name: string
  readonly read: (value: DerValue) => unknown
}

const ROWS = new Map<number, Row>(Object.entries(TAGS).map(([name, [tag, read]]) => [tag, { name, read }]))

/** Reads an AuthorizationList. @throws CertificateError or MessageError */
export function authorizationListOf(list: DerValue): AuthorizationList {
  const found: Record<string, unknown> = { areTagsOrdered: true }
  const seen = new Set<number>()
  let previous = -1
  for (const [tag, value] of explicitValues(list)) {
    if (seen.has(tag)) throw malformed(`the tag ${tag} stands twice in a list of authorizations`)
    seen.add(tag)
    if (tag < previous) found.areTagsOrdered = false
    previous = tag
    const row = ROWS.get(tag)
    if (row) found[row.name] = row.read(value)
  }
  // `read` of every tag answers the type of its name: the type is made of the same table.
  return found as unknown as AuthorizationList
}

const MOST_TAGS = 64

/** The values in context-specific tags, whose numbers may be long (ITU-T X.690 8.1.2.4): certificates have no such. */
function explicitValues(list: DerValue): readonly (readonly [number, DerValue])[] {
  const values: (readonly [number, DerValue])[] = []
  const { content } = list
  for (let at = 0; at < content.length; ) {
    if (values.length === MOST_TAGS) throw malformed(`a list of authorizations has more than ${MOST_TAGS} tags`)
    const first = content[at++] ?? 0
    if ((first & 0xe0) !== 0xa0) throw malformed('a list of authorizations holds something without a tag of its own')
    let tag = first & 0x1f
    if (tag === 0x1f) {
      tag = 0
      let byte: number
      do {
        byte = content[at++] ?? 0
        if (tag === 0 && byte === 0x80) throw malformed('the number of a tag has superfluous bytes')
        tag = tag * 128 + (byte & 0x7f)
      } while (byte >= 0x80 && tag < 0x10000)
      if (tag < 0x1f || byte >= 0x80) throw malformed('the number of a tag is not as short as can be, or too large')
    }
    // What follows is the length and the value: under another tag it is read as any DER.
    const inner = new DerReader(concat(Uint8Array.of(Tag.sequence), content.subarray(at))).any()
    at += inner.encoding.length - 1
    const reader = inner.reader()
    values.push([tag, reader.any()])
    reader.finish(`the tag ${tag}`)
  }
  return values
}

function integer(value: DerValue): number {
  return integerIn(expectTag(value, Tag.integer))
}

function integers(value: DerValue): readonly number[] {
  const reader = expectTag(value, Tag.set).reader()
  const found: number[] = []
  while (!reader.isAtEnd) found.push(integerIn(reader.read(Tag.integer, 'an item of a set')))
  return found
}

function integerIn(value: DerValue): number {
  const bytes = integerOf(value, 'an authorization')
  let number = 0
  for (const byte of bytes) number = number * 256 + byte
  if ((bytes[0] ?? 0) >= 0x80 || !Number.isSafeInteger(number))
    throw malformed('an authorization is no number of its range')
  return number
}

function present(value: DerValue): true {
  expectTag(value, Tag.null)
  return true
}

function octets(value: DerValue): Uint8Array {
  return Uint8Array.from(expectTag(value, Tag.octetString).content)
}

function text(value: DerValue): string {
  return textIn(expectTag(value, Tag.octetString))
}

function textIn({ content }: DerValue): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    throw malformed('an authorization is no text in UTF-8')
  }
}

function origin(value: DerValue): (typeof ORIGINS)[number] {
  const name = ORIGINS[integer(value)]
  if (name) return name
  throw malformed('the origin of a key is none that is known here')
}

const BOOT_STATES = ['verified', 'self-signed', 'unverified', 'failed'] as const

function rootOfTrust(value: DerValue): RootOfTrust {
  const reader = expectTag(value, Tag.sequence).reader()
  const verifiedBootKey = octets(reader.any())
  const deviceLocked = booleanOf(reader.read(Tag.boolean, 'deviceLocked'), 'deviceLocked')
  const verifiedBootState = BOOT_STATES[enumeratedOf(reader.any())]
  const hash = reader.optional(Tag.octetString)
  reader.finish('the root of trust')
  if (!verifiedBootState) throw malformed('the state of the boot is none that is known here')
  return { verifiedBootKey, deviceLocked, verifiedBootState, verifiedBootHash: hash && octets(hash) }
}

/** AttestationApplicationId, in an OCTET STRING. */
function applicationId(value: DerValue): ApplicationId {
  const outer = new DerReader(octets(value))
  const reader = outer.read(Tag.sequence, 'the application ID').reader()
  outer.finish('the application ID')
  const packages: { name: string; version: number }[] = []
  const infos = reader.read(Tag.set, 'the packages').reader()
  while (!infos.isAtEnd) {
    const info = infos.read(Tag.sequence, 'a package').reader()
    const name = textIn(info.read(Tag.octetString, 'the name of a package'))
    packages.push({ name, version: integerIn(info.read(Tag.integer, 'the version of a package')) })
    info.finish('a package')
  }
  const signatures: Uint8Array[] = []
  const digests = reader.read(Tag.set, 'the signatures').reader()
  while (!digests.isAtEnd) signatures.push(octets(digests.any()))
  reader.finish('the application ID')
  return { packages, signatures }
}

/** ENUMERATED from 0 to 127. @throws MessageError */
export function enumeratedOf(value: DerValue): number {
  const [byte, more] = expectTag(value, Tag.enumerated).content
  if (byte === undefined || more !== undefined || byte >= 0x80) throw malformed('an ENUMERATED is none of its names')
  return byte
}

function expectTag(value: DerValue, tag: number): DerValue {
  if (value.tag === tag) return value
  throw malformed('an authorization is of another type than its tag says')
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
