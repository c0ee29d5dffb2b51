import { type Codec, DecodeError, decode, encode } from '../bytes/index.js'
import { ProtocolError } from './alert.js'
import type { RawExtension } from './messages.js'

/** The messages that carry extensions, as the columns of the table of RFC 8446 §4.2. */
export type Place =
  | 'client_hello'
  | 'server_hello'
  | 'hello_retry_request'
  | 'encrypted_extensions'
  | 'certificate_request'
  | 'certificate'
  | 'new_session_ticket'

/** An extension in one message: where it may stand and what it holds there. The type of the value goes with it. */
export interface Slot<T> {
  readonly type: number
  readonly name: string
  readonly codec: Codec<T>
}

/** A row of the table: an extension, with a slot for each message that it may stand in. */
export interface ExtensionRow {
  readonly type: number
  readonly name: string
  readonly slots: Readonly<Partial<Record<Place, Slot<unknown>>>>
  /** Whether it may stand in a response although no extension of the same type was sent. Whoever adds such a row
   *  checks itself whether it was asked for. */
  readonly isSolicitedElsewhere: boolean
  /** Whether the number means another extension in messages that it has no slot for, where it counts as unknown then.
   *  Otherwise it may not stand there. */
  readonly isUnknownElsewhere: boolean
}

/** Defines a row: `extension(0, 'server_name', { client_hello: …, encrypted_extensions: … })`.
 *  @returns the slots by message, and the row under `row` */
export function extension<S extends Partial<Record<Place, Codec<unknown>>>>(
  type: number,
  name: string,
  codecs: S,
  options: { readonly isSolicitedElsewhere?: boolean; readonly isUnknownElsewhere?: boolean } = {},
): { readonly [P in keyof S]: S[P] extends Codec<infer T> ? Slot<T> : never } & { readonly row: ExtensionRow } {
  const slots: Record<string, Slot<unknown>> = {}
  for (const [place, codec] of Object.entries(codecs)) {
    slots[place] = { type, name, codec }
  }
  const { isSolicitedElsewhere = false, isUnknownElsewhere = false } = options
  const row = { type, name, slots, isSolicitedElsewhere, isUnknownElsewhere }
  // The slots are those of `codecs`, key by key.
  return { ...slots, row } as never
}

/** An extension to be sent. */
export interface ExtensionValue {
  readonly type: number
  readonly data: Uint8Array
}

/** An extension to be sent, from its slot and value. */
export function extensionValue<T>(slot: Slot<T>, value: T): ExtensionValue {
  return { type: slot.type, data: encode(slot.codec, value) }
}

/** The extensions of a received message: every one known, in its place, once, and decoded. */
export class Extensions {
  /** In the order received. */
  readonly types: readonly number[]
  readonly #values: ReadonlyMap<number, unknown>

  constructor(types: readonly number[], values: ReadonlyMap<number, unknown>) {
    this.types = types
    this.#values = values
  }

  static readonly none = new Extensions([], new Map())

  has(slot: Slot<unknown>): boolean {
    return this.#values.has(slot.type)
  }

  get<T>(slot: Slot<T>): T | undefined {
    // The value under a type was decoded by the slot of that type and message.
    return this.#values.get(slot.type) as T | undefined
  }

  /** @throws ProtocolError missing_extension */
  need<T>(slot: Slot<T>): T {
    const value = this.get(slot)
    if (value === undefined) throw new ProtocolError('missing_extension', `${slot.name} is missing`)
    return value
  }
}

/** The table of RFC 8446 §4.2, with the rows of a plug behind it. */
export class ExtensionTable {
  readonly #rows: ReadonlyMap<number, ExtensionRow>

  constructor(rows: readonly ExtensionRow[]) {
    const map = new Map<number, ExtensionRow>()
    for (const row of rows) {
      if (map.has(row.type)) throw new RangeError(`two extensions have the number ${row.type}`)
      map.set(row.type, row)
    }
    this.#rows = map
  }

  /** Reads the extensions of a message that answers nothing: unknown ones are ignored (RFC 8446 §4.2). */
  readOffer(place: Place, received: readonly RawExtension[]): Extensions {
    return this.#read(place, received, undefined)
  }

  /** Reads the extensions of a message that answers: one that was not asked for is refused (RFC 8446 §4.2).
   *  @param requested the types that we sent in the message that this one answers */
  readResponse(place: Place, received: readonly RawExtension[], requested: ReadonlySet<number>): Extensions {
    return this.#read(place, received, requested)
  }

  #read(place: Place, received: readonly RawExtension[], requested: ReadonlySet<number> | undefined): Extensions {
    const types = received.map(({ type }) => type)
    this.#expectUnique(place, types)
    const values = new Map<number, unknown>()
    for (const { type, data } of received) {
      const row = this.#rows.get(type)
      const slot = row?.slots[place]
      if (row && !slot && !row.isUnknownElsewhere) {
        throw new ProtocolError('illegal_parameter', `${row.name} may not stand in ${place}`)
      }
      if (requested && !requested.has(type) && !(slot && row?.isSolicitedElsewhere)) {
        throw new ProtocolError(
          'unsupported_extension',
          `${place} holds extension ${this.#nameOf(type)}, which was not asked for`,
        )
      }
      if (slot) values.set(type, decodeIn(slot, data))
    }
    return new Extensions(types, values)
  }

  /** RFC 8446 §4.2: "There MUST NOT be more than one extension of the same type in a given extension block." */
  #expectUnique(place: Place, types: readonly number[]): void {
    const seen = new Set<number>()
    for (const type of types) {
      if (seen.has(type)) {
        const sentence = `${place} holds extension ${this.#nameOf(type)} twice`
        // RFC 8446 §4.2 names no alert; these are the ones that other stacks send and expect.
        const isIllegal = place === 'hello_retry_request' || place === 'new_session_ticket'
        throw isIllegal ? new ProtocolError('illegal_parameter', sentence) : new DecodeError(sentence)
      }
      seen.add(type)
    }
  }

  #nameOf(type: number): string {
    return this.#rows.get(type)?.name ?? String(type)
  }
}

function decodeIn(slot: Slot<unknown>, data: Uint8Array): unknown {
  try {
    return decode(slot.codec, data)
  } catch (error) {
    if (error instanceof DecodeError) throw new DecodeError(`${slot.name}: ${error.message}`)
    throw error
  }
}
