import { PublicKey } from '#src/crypto/index.js'
import { checkEar, decodeCbor, decodeJson, decodeJws, decodeSign1, type Ear, readEar } from '#src/rats/index.js'
import { type Facts, fileOf, type Outcome, textInput, type VectorCase } from '../adapter.js'
import { factOf, rejection } from './message-reasons.js'

/** EAR: signed, and bare claims sets in JSON. Files in diagnostic notation are for people, save those in JSON. */
export async function ear(vector: VectorCase): Promise<Outcome | null> {
  try {
    if (vector.files.has('token')) return { outcome: 'accept', facts: factsOf(await checked(vector), vector) }
    for (const [name, bytes] of vector.files) {
      if (!name.includes('json') && !name.includes('claims')) continue
      const claims = decodeJson(bytes)
      if (claims instanceof Map) readEar(claims, 'json')
    }
    return { outcome: 'accept', facts: {} }
  } catch (error) {
    return rejection(error)
  }
}

function checked(vector: VectorCase): Promise<Ear> {
  const nonce = textInput(vector, 'expected_nonce')
  return checkEar(fileOf(vector, 'token'), {
    key: PublicKey.fromJwk(JSON.parse(Buffer.from(fileOf(vector, 'verifier_jwk')).toString())),
    at: vector.at ?? Date.UTC(2026, 0),
    clockSkewSeconds: 0,
    ...(nonce !== undefined && { nonce: Uint8Array.from(Buffer.from(nonce, 'base64')) }),
  })
}

function factsOf({ submodules }: Ear, vector: VectorCase): Facts {
  const statuses = [...submodules].map(([label, { status }]) => {
    return [label, vector.check === 'ear-cwt' ? NUMBERS[status] : status]
  })
  return { ...asSent(vector), submod_status: Object.fromEntries(statuses) }
}

const NUMBERS = { none: 0, affirming: 2, warning: 32, contraindicated: 96 } as const

function asSent(vector: VectorCase): Facts {
  const token = fileOf(vector, 'token')
  if (vector.check === 'ear-cwt') return { claims: factOf(decodeCbor(decodeSign1(token).payload, 'tolerant')) }
  const { header, payload } = decodeJws(token)
  return { header: factOf(header), claims: factOf(decodeJson(payload)) }
}
