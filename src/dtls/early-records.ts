/** Records that have overtaken the one that brings their keys (RFC 9147 §4.2.1, RFC 9147 §5.8.1): a few are kept until then,
 *  so that nobody has to send them again. Anybody can have sent them; they are opened like others. */
export class EarlyRecords<R extends { readonly header: Uint8Array; readonly payload: Uint8Array }> {
  #records: R[] = []
  #length = 0

  get isEmpty(): boolean {
    return this.#records.length === 0
  }

  /** Of the payloads, in bytes. */
  get length(): number {
    return this.#length
  }

  /** Keeps a copy of a record, if there is room. */
  add(record: R): void {
    if (this.#records.length >= MAX_RECORDS || this.#length + record.payload.length > MAX_LENGTH) return
    const { header, payload } = record
    this.#records.push({ ...record, header: Uint8Array.from(header), payload: Uint8Array.from(payload) })
    this.#length += record.payload.length
  }

  /** Those that were kept, in the order in which they came. */
  take(): readonly R[] {
    const records = this.#records
    this.#records = []
    this.#length = 0
    return records
  }
}

/** How many are kept, and how many bytes of payloads: a flight. */
const MAX_RECORDS = 32
const MAX_LENGTH = 2 ** 15
