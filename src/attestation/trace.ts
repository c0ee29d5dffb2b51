import { decode, equalBytes } from '../bytes/index.js'
import {
  alertName,
  Certificate,
  ClientHello,
  EncryptedExtensions,
  HandshakeType,
  HELLO_RETRY_REQUEST_RANDOM,
  type Message,
  MessageAssembler,
  messageName,
  type RawExtension,
  type Slot,
} from '../handshake/index.js'
import { decodeCmw, typeOfCmw } from '../rats/index.js'
import { CredentialKind } from './evidence-type.js'
import { ControlKind, ControlMessage } from './hardened/control-message.js'
import { HardenedFlag } from './hardened/extensions.js'
import { describeType, typeName } from './message-type.js'
import { credentialKindOf, type Participant, type Selection } from './participant.js'
import type { Settings } from './settings.js'

/** A handshake message that passed, for people to follow: no secrets, lengths and types only. */
export interface TraceEvent {
  readonly direction: 'sent' | 'received'
  /** Its name in RFC 8446 §4, such as `encrypted_extensions`. */
  readonly message: string
  /** Length in bytes, header included. */
  readonly length: number
  /** What it says about attestation, in words; empty if it says nothing. */
  readonly fields: readonly TraceField[]
}

/** One attestation field of a message. */
export interface TraceField {
  /** Its name in the draft, such as `evidence_request`. */
  readonly name: string
  /** What it lists, in words, an item each; never empty. */
  readonly values: readonly string[]
}

/** Describes a message. One that does not decode has no fields: what is wrong with it is for others to say. */
export function traceEvent(participant: Participant, direction: 'sent' | 'received', message: Message): TraceEvent {
  return {
    direction,
    message: nameOf(participant, message),
    length: message.raw.length,
    fields: fieldsOf(participant, direction, message),
  }
}

function nameOf({ settings }: Participant, { type, body }: Message): string {
  if (isControl(settings, type)) return 'atls_control'
  const isRetry = type === HandshakeType.server_hello && equalBytes(body.subarray(2, 34), HELLO_RETRY_REQUEST_RANDOM)
  return isRetry ? 'hello_retry_request' : messageName(type)
}

function fieldsOf(participant: Participant, direction: 'sent' | 'received', { type, body }: Message): TraceField[] {
  const { extensions, hardenedExtensions } = participant.settings
  const { hardenedAttestation } = hardenedExtensions
  const { evidenceRequest, evidenceProposal, resultsRequest, resultsProposal } = extensions
  try {
    switch (type) {
      case HandshakeType.client_hello: {
        const fields = new Fields(decode(ClientHello, body).extensions)
        fields.add(evidenceRequest.client_hello, ({ supportedEvidenceTypes, nonce }) => [
          ...supportedEvidenceTypes.map(describeType),
          nonceText(nonce),
        ])
        fields.add(evidenceProposal.client_hello, types => types.map(describeType))
        fields.add(resultsRequest.client_hello, identities => identities.map(verifierText))
        fields.add(resultsProposal.client_hello, identities => identities.map(verifierText))
        fields.add(hardenedAttestation.client_hello, ({ flags }) => [flagsText(flags)])
        return fields.list
      }
      case HandshakeType.encrypted_extensions: {
        const fields = new Fields(decode(EncryptedExtensions, body).extensions)
        fields.add(evidenceRequest.encrypted_extensions, selected => [describeType(selected)])
        fields.add(evidenceProposal.encrypted_extensions, ({ selectedEvidenceType, nonce }) => [
          describeType(selectedEvidenceType),
          nonceText(nonce),
        ])
        fields.add(resultsRequest.encrypted_extensions, identity => [verifierText(identity)])
        fields.add(resultsProposal.encrypted_extensions, identity => [verifierText(identity)])
        fields.add(hardenedAttestation.encrypted_extensions, ({ flags }) => [flagsText(flags)])
        return fields.list
      }
      case HandshakeType.certificate:
        return certificateFields(direction === 'sent' ? participant.own : participant.peer, participant, body)
      default:
        return isControl(participant.settings, type) ? [controlField(participant, decode(ControlMessage, body))] : []
    }
  } catch {
    return []
  }
}

function certificateFields(selection: Selection | undefined, participant: Participant, body: Uint8Array): TraceField[] {
  const [first] = decode(Certificate, body).certificateList
  if (!selection || !first) return []
  const what = selection.model === 'passport' ? 'Attestation Results' : 'Evidence'
  const describe = (data: Uint8Array, where: string) => [
    `${what} ${where}, ${data.length} bytes`,
    typeName(typeOfCmw(decodeCmw(data))),
  ]
  if (credentialKindOf(selection) === CredentialKind.ATTESTATION) {
    return [{ name: 'attestation', values: describe(first.data, 'in place of a certificate') }]
  }
  const fields = new Fields(first.extensions)
  const { certificate } = participant.settings.extensions.attestationEvidence
  fields.add(certificate, data => describe(data, 'beside a certificate'))
  return fields.list
}

function isControl({ profile, codePoints }: Settings, type: number): boolean {
  return profile.name === 'hardened' && type === codePoints.atls_control
}

/** What is said after the handshake under the profile `hardened`. */
function controlField({ settings }: Participant, { kind, seq, body }: ControlMessage): TraceField {
  const name = `round ${seq}`
  switch (kind) {
    case ControlKind.request:
      return { name, values: ['attest to this whole handshake, please'] }
    case ControlKind.accept:
      return { name, values: ['accepted'] }
    case ControlKind.reject:
      return { name, values: [`refused: ${settings.alertNames.get(body[0] ?? 0) ?? alertName(body[0] ?? 0)}`] }
    default:
      return { name, values: authenticatorText(settings, body) }
  }
}

function authenticatorText({ hardenedExtensions }: Settings, body: Uint8Array): readonly string[] {
  const assembler = new MessageAssembler(() => body.length)
  assembler.add(body)
  const first = assembler.take()
  if (first?.type !== HandshakeType.certificate) return ['no Evidence: it declines']
  const [entry] = decode(Certificate, first.body).certificateList
  const fields = new Fields(entry?.extensions ?? [])
  fields.add(hardenedExtensions.cmwAttestation.certificate, data => [
    `Evidence over this whole handshake, ${data.length} bytes`,
    typeName(typeOfCmw(decodeCmw(data))),
  ])
  return fields.list[0]?.values ?? ['a credential without Evidence']
}

function flagsText(flags: number): string {
  const words = [
    ...((flags & HardenedFlag.attests) === 0 ? [] : ['can attest']),
    ...((flags & HardenedFlag.requires) === 0 ? [] : ['requires that the peer does']),
  ]
  return words.join(', ') || 'neither attests nor asks for it'
}

class Fields {
  readonly list: TraceField[] = []
  readonly #extensions: readonly RawExtension[]

  constructor(extensions: readonly RawExtension[]) {
    this.#extensions = extensions
  }

  add<T>({ type, name, codec }: Slot<T>, describe: (value: T) => readonly string[]): void {
    const found = this.#extensions.find(extension => extension.type === type)
    if (found) this.list.push({ name, values: describe(decode(codec, found.data)) })
  }
}

function nonceText({ length }: Uint8Array): string {
  return `nonce of ${length} bytes`
}

/** Identities are opaque: shown as text where they are some, otherwise by their length. */
function verifierText(identity: Uint8Array): string {
  const isText = identity.length > 0 && identity.every(byte => byte > 0x20 && byte < 0x7f)
  return isText ? new TextDecoder().decode(identity) : `Verifier with an identity of ${identity.length} bytes`
}
