/** One vector, or a negative that was derived from one: what an adapter works on. */
export interface VectorCase {
  /** `tdx`: the folder of the vector, and the adapter that it goes to. */
  readonly format: string
  /** `vector.json: check`: which of the format's checks is meant, such as `psa` or `psa-sem`. `none` where nothing was
   *  checked by machine; what the files hold is expected all the same. */
  readonly check: string
  /** For messages: `tdx/v4-uptodate-phala: body-bitflip`. */
  readonly name: string
  /** By the name they have in `vector.json: files`. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** `vector.json: inputs`, with those of the negative on top. */
  readonly inputs: Readonly<Record<string, unknown>>
  /** The time to appraise at, in milliseconds since 1970; undefined for evidence that knows no time. */
  readonly at: number | undefined
}

/** What the code under test said about a case. */
export type Outcome =
  | {
      readonly outcome: 'accept'
      /** In the words of `vector.json: expected`; every one that is expected has to be there. */
      readonly facts: Facts
      /** Facts that the vector knows from elsewhere, where nothing in its files says them: `dstack.device_id`. They are
       *  not compared. */
      readonly unsaid?: readonly string[]
    }
  | {
      readonly outcome: 'reject'
      /** Names of the check that failed (several, if they are names of one thing), in the words of
       *  `expected_reason` and `checked.failed_checks`; one of them has to be the expected one. */
      readonly reasons: readonly string[]
      /** The sentence that a user would see: for the message of a failing test. */
      readonly sentence: string
      /** Compared with `vector.json: expected` where given. */
      readonly facts?: Facts
    }

/** JSON. Byte strings are lower-case hex. */
export type Facts = Readonly<Record<string, unknown>>

/** Runs the code under test on a case of its format: nothing but the case decides what comes out. It never throws for
 *  evidence that is bad; null says that the case holds nothing that could be checked, which is reported as skipped. */
export type Adapter = (vector: VectorCase) => Outcome | null | Promise<Outcome | null>

/** A file of the case. @throws Error if it has none of that name */
export function fileOf(vector: VectorCase, name: string): Uint8Array {
  const file = vector.files.get(name)
  if (!file) throw new Error(`${vector.name} has no file ${name}: there are ${[...vector.files.keys()].join(', ')}`)
  return file
}

/** An input that is a text; undefined if it is absent or null. @throws Error if it is something else */
export function textInput(vector: VectorCase, name: string): string | undefined {
  const value = vector.inputs[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw new Error(`${vector.name}: inputs.${name} is not a string`)
  return value
}

/** An input that is bytes in hex; undefined if it is absent or null. @throws Error if it is something else */
export function bytesInput(vector: VectorCase, name: string): Uint8Array | undefined {
  const text = textInput(vector, name)
  if (text === undefined) return undefined
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new Error(`${vector.name}: inputs.${name} is not hex`)
  return new Uint8Array(Buffer.from(text, 'hex'))
}

/** An input that is true or false. @throws Error if it is something else */
export function booleanInput(vector: VectorCase, name: string, fallback: boolean): boolean {
  const value = vector.inputs[name] ?? fallback
  if (typeof value !== 'boolean') throw new Error(`${vector.name}: inputs.${name} is not a boolean`)
  return value
}

/** An input that is a list of texts; undefined if it is absent or null. @throws Error if it is something else */
export function listInput(vector: VectorCase, name: string): readonly string[] | undefined {
  const value = vector.inputs[name]
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw new Error(`${vector.name}: inputs.${name} is not a list`)
  return value.map(item => {
    if (typeof item !== 'string') throw new Error(`${vector.name}: inputs.${name} holds something that is no string`)
    return item
  })
}
