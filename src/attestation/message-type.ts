import { type Cmw, contentFormatOf, Indicator, mediaTypeOf, sameMediaType, typeOfCmw } from '../rats/index.js'
import { CredentialKind, type EvidenceType } from './evidence-type.js'

/** How a media type stands on the wire: as the Content-Format that is registered for it, since lists are short. */
export function wireType(mediaType: string): string | number {
  return contentFormatOf(mediaType) ?? mediaType
}

/** What a type on the wire is called in sentences and in the status. */
export function typeName(type: string | number): string {
  return typeof type === 'string' ? type : (mediaTypeOf(type) ?? `CoAP Content-Format ${type}`)
}

/** An entry of a list in words. */
export function describeType({ credentialKind, type }: EvidenceType): string {
  return `${typeName(type)} ${credentialKind === CredentialKind.ATTESTATION ? 'alone' : 'beside X.509'}`
}

/** Entries of a list in words. */
export function describeTypes(types: readonly EvidenceType[]): string {
  return types.map(describeType).join(', ')
}

/** Whether a conceptual message is Evidence of a type. A collection may be written in JSON where CBOR is named, and
 *  the other way round: the encoding is its sender's choice. */
export function isEvidenceOfType(message: Cmw, type: string | number): boolean {
  if (message.kind === 'record') {
    return sameMediaType(message.type, type) && isFor(message.indicators, Indicator.evidence)
  }
  const name = String(typeOfCmw(message))
  return sameMediaType(name, type) || sameMediaType(name.replace('cmw+cbor', 'cmw+json'), type)
}

/** Whether a conceptual message can be Attestation Results, as far as it says what it is for. */
export function mayBeResults(message: Cmw): boolean {
  return message.kind === 'collection' || isFor(message.indicators, Indicator.attestationResults)
}

function isFor(indicators: number | undefined, indicator: number): boolean {
  return indicators === undefined || (indicators & indicator) !== 0
}
