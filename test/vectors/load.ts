import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Facts, VectorCase } from './adapter.js'

/** A vector as it lies on disk, with its negatives. */
export interface Vector {
  /** `tdx/v4-uptodate-phala`. */
  readonly path: string
  readonly base: VectorCase
  readonly expected: Expectation
  readonly facts: Facts
  readonly negatives: readonly Negative[]
}

/** What has to come out. */
export interface Expectation {
  readonly outcome: 'accept' | 'reject'
  /** Each of them names the check that has to fail; empty where acceptance is expected. */
  readonly reasons: readonly string[]
}

/** A vector with something wrong. */
export interface Negative {
  readonly id: string
  readonly case: VectorCase
  readonly expected: Expectation
}

/** The folder of the vectors: ATTESTED_TLS_VECTORS, or `shared/vectors` next to the repository; null if there is
 *  none. */
export function vectorsFolder(): string | null {
  const [folder] = folders()
  if (folder !== undefined && existsSync(folder)) return folder
  if (process.env.ATTESTED_TLS_VECTORS) throw new Error(`ATTESTED_TLS_VECTORS names ${folder}, which is not there`)
  return null
}

/** Where vectors may lie: the first is the one whose vectors are run, all may have files that recipes ask for. */
function folders(): string[] {
  const named = process.env.ATTESTED_TLS_VECTORS
  const besides = fileURLToPath(new URL('../../../../shared/vectors', import.meta.url))
  return named ? [resolve(named), besides] : [besides]
}

/** Reads every vector of a folder: all `FORMAT/NAME/vector.json`, whether an index names them or not. */
export function loadVectors(folder: string): readonly Vector[] {
  const paths = folderNames(folder).flatMap(format =>
    folderNames(join(folder, format)).map(name => `${format}/${name}`),
  )
  const vectors = paths
    .filter(path => existsSync(join(folder, path, 'vector.json')))
    .map(path => loadVector(folder, path))
  const indexFile = join(folder, 'index.json')
  if (existsSync(indexFile)) {
    const found = new Set(vectors.map(({ path }) => path))
    for (const row of arrayAt(objectOf(readJson(indexFile), indexFile), 'vectors')) {
      const path = textAt(objectOf(row, indexFile), 'path')
      if (!found.has(path)) throw new Error(`${indexFile} names ${path}, which is not there`)
    }
  }
  return vectors
}

function folderNames(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort()
}

function loadVector(folder: string, path: string): Vector {
  const json = objectOf(readJson(join(folder, path, 'vector.json')), path)
  const format = textAt(json, 'format')
  const inputs = objectOf(json.inputs ?? {}, `${path}: inputs`)
  const base: VectorCase = {
    format,
    check: textAt(json, 'check'),
    name: path,
    files: loadFiles(folder, path, json),
    inputs,
    at: timeOf(inputs.verification_time ?? json.verification_time),
  }
  const negatives =
    json.negatives === undefined || json.negatives === null
      ? []
      : arrayAt(objectOf(readJson(join(folder, path, textAt(json, 'negatives'))), path), 'negatives')
  return {
    path,
    base,
    expected: expectationOf(json),
    facts: objectOf(json.expected ?? {}, `${path}: expected`),
    negatives: negatives.map(negative => derive(folder, base, objectOf(negative, `${path}: negatives`))),
  }
}

/** The files, with the digests they are said to have. */
function loadFiles(folder: string, path: string, json: Json): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  for (const [name, value] of Object.entries(objectOf(json.files, `${path}: files`))) {
    const entry = objectOf(value, `${path}: files.${name}`)
    const file = join(folder, path, textAt(entry, 'path'))
    const bytes = new Uint8Array(readFileSync(file))
    const digest = createHash('sha256').update(bytes).digest('hex')
    if (entry.sha256 !== undefined && digest !== entry.sha256) throw new Error(`${file} is not what ${path} describes`)
    files.set(name, bytes)
  }
  return files
}

function expectationOf(json: Json): Expectation {
  const outcome = textAt(json, 'expected_outcome')
  if (outcome === 'accept') return { outcome, reasons: [] }
  if (outcome !== 'reject') throw new Error(`${outcome} is no outcome`)
  const checked = objectOf(json.checked ?? {}, 'checked')
  const failed = Array.isArray(checked.failed_checks) ? checked.failed_checks : failedOf(checked.checks)
  return { outcome, reasons: [json.expected_reason, ...failed].filter(reason => typeof reason === 'string') }
}

function failedOf(checks: unknown): string[] {
  return Object.entries(objectOf(checks ?? {}, 'checks')).flatMap(([name, passed]) => (passed === false ? [name] : []))
}

/** The case that a recipe makes of another. */
function derive(folder: string, base: VectorCase, json: Json): Negative {
  const id = textAt(json, 'id')
  const files = new Map(base.files)
  for (const step of json.steps === undefined ? [] : arrayAt(json, 'steps')) {
    take(objectOf(step, `${base.name}: ${id}`), files, folder)
  }
  const inputs = { ...base.inputs, ...objectOf(json.inputs ?? {}, `${id}: inputs`) }
  const at = timeOf(inputs.verification_time) ?? base.at
  return { id, case: { ...base, name: `${base.name}: ${id}`, files, inputs, at }, expected: expectationOf(json) }
}

/** Takes one step of a recipe. */
function take(step: Json, files: Map<string, Uint8Array>, folder: string): void {
  const file = (member = 'file') => {
    const name = textAt(step, member)
    const bytes = files.get(name)
    if (!bytes) throw new Error(`there is no file ${name} to change`)
    return { name, bytes }
  }
  switch (step.op) {
    case 'xor': {
      const { name, bytes } = file()
      const changed = Uint8Array.from(bytes)
      const offset = placeIn(changed, numberAt(step, 'offset'))
      changed[offset] = (changed[offset] ?? 0) ^ numberAt(step, 'mask')
      files.set(name, changed)
      return
    }
    case 'truncate': {
      const { name, bytes } = file()
      files.set(name, bytes.slice(0, numberAt(step, 'length')))
      return
    }
    case 'append': {
      const { name, bytes } = file()
      files.set(name, new Uint8Array([...bytes, ...hexAt(step, 'hex')]))
      return
    }
    case 'replace': {
      const { name, bytes } = file()
      const part = hexAt(step, 'hex')
      const changed = Uint8Array.from(bytes)
      changed.set(part, placeIn(changed, numberAt(step, 'offset')))
      files.set(name, changed)
      return
    }
    case 'text_replace': {
      const { name, bytes } = file()
      const text = Buffer.from(bytes).toString('latin1')
      const [find, replacement] = [textAt(step, 'find'), textAt(step, 'with')].map(part =>
        Buffer.from(part, 'utf8').toString('latin1'),
      )
      if (find === undefined || replacement === undefined || !text.includes(find)) {
        throw new Error(`${name} does not hold the text to replace`)
      }
      files.set(name, new Uint8Array(Buffer.from(text.split(find).join(replacement), 'latin1')))
      return
    }
    case 'set_file':
      files.set(textAt(step, 'file'), foreignFile(folder, textAt(step, 'vector'), textAt(step, 'with')))
      return
    case 'swap': {
      const [a, b] = [file('a'), file('b')]
      files.set(a.name, b.bytes)
      files.set(b.name, a.bytes)
      return
    }
    case 'remove':
      files.delete(file().name)
      return
    default:
      throw new Error(`${String(step.op)} is no step of a recipe`)
  }
}

/** A file of another vector, which may lie in the folder that everyone has. */
function foreignFile(folder: string, path: string, name: string): Uint8Array {
  for (const place of [folder, ...folders()]) {
    const vectorFile = join(place, path, 'vector.json')
    if (!existsSync(vectorFile)) continue
    const files = objectOf(objectOf(readJson(vectorFile), path).files, path)
    const entry = files[name]
    return new Uint8Array(
      readFileSync(join(place, path, entry === undefined ? name : textAt(objectOf(entry, name), 'path'))),
    )
  }
  throw new Error(`there is no vector ${path} to take ${name} from`)
}

function placeIn(bytes: Uint8Array, offset: number): number {
  if (offset < 0 || offset >= bytes.length) throw new Error(`there is no byte ${offset}: there are ${bytes.length}`)
  return offset
}

function timeOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN
  if (Number.isNaN(at)) throw new Error(`${String(value)} is no time`)
  return at
}

type Json = Readonly<Record<string, unknown>>

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}

function objectOf(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is not an object`)
  return value as Json
}

function arrayAt(json: Json, name: string): readonly unknown[] {
  const value = json[name]
  if (!Array.isArray(value)) throw new Error(`${name} is not an array`)
  return value
}

function textAt(json: Json, name: string): string {
  const value = json[name]
  if (typeof value !== 'string') throw new Error(`${name} is not a string`)
  return value
}

function numberAt(json: Json, name: string): number {
  const value = json[name]
  if (typeof value !== 'number') throw new Error(`${name} is not a number`)
  return value
}

function hexAt(json: Json, name: string): Uint8Array {
  return new Uint8Array(Buffer.from(textAt(json, name), 'hex'))
}
