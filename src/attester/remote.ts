import { hash } from '../crypto/index.js'
import { type Attester, type Cmw, decodeCmw, type EvidenceRequest, encodeCmw, printable } from '../rats/index.js'
import type { Pipe } from './pipe.js'

/** The attester on the other side of a pipe could not be asked, or could not answer. */
export class RemoteAttesterError extends Error {
  readonly code = 'ERR_ATTESTER_REMOTE'

  constructor(sentence: string) {
    super(sentence)
    this.name = 'RemoteAttesterError'
  }
}

/** An attester in another process or thread: the attestation service of a split deployment, where the process that
 *  speaks TLS has neither the platform's device nor its keys. Of the TLS key it is told the public half only.
 *  @param pipe leads to one who called `serveAttester`
 *  @throws RemoteAttesterError if the other side goes away or answers nonsense; the signal's reason when it fires */
export async function remoteAttester(pipe: Pipe, options: { readonly signal: AbortSignal }): Promise<Attester> {
  const calls = new Calls(pipe)
  const description = await calls.call({ ask: 'describe' }, options.signal)
  const types = isRecord(description) && Array.isArray(description.types) ? description.types.map(typeOf) : []
  if (types.length === 0) throw new RemoteAttesterError('the attester says no types of Evidence that it can make')
  return {
    evidenceTypes: types.map(({ name }) => name),
    challengeLength: type => types.find(({ name }) => name === type)?.challengeLength,
    speaksForKey: type => types.find(({ name }) => name === type)?.speaksForKey ?? false,
    async evidence({ type, challenge, key, signal }) {
      const call = { ask: 'evidence', type, challenge: toText(challenge), spki: toText(key.spki) }
      const answer = await calls.call(call, signal)
      if (!isRecord(answer) || typeof answer.evidence !== 'string') {
        throw new RemoteAttesterError('the attester answers with something else than Evidence')
      }
      return decodeCmw(toBytes(answer.evidence))
    },
  }
}

/** Answers for an attester to the other side of a pipe.
 *  @param pipe leads to one who calls `remoteAttester` */
export function serveAttester(attester: Attester, pipe: Pipe): void {
  const running = new Map<number, AbortController>()
  pipe.onClose(() => {
    for (const controller of running.values()) controller.abort(new RemoteAttesterError('the caller went away'))
  })
  pipe.onMessage(message => {
    const call = parsed(message)
    if (!isRecord(call) || typeof call.id !== 'number') return
    const { id } = call
    if (call.ask === 'cancel') {
      running.get(id)?.abort(new RemoteAttesterError('the caller no longer wants it'))
      return
    }
    if (running.size >= MOST_CALLS) return pipe.send(JSON.stringify({ id, error: 'the attester has too much to do' }))
    const controller = new AbortController()
    running.set(id, controller)
    answerTo(attester, call, controller.signal)
      .catch((error: unknown) => ({ error: error instanceof Error ? error.message : 'the attester failed' }))
      .then(answer => {
        running.delete(id)
        if (!controller.signal.aborted) pipe.send(JSON.stringify({ id, ...answer }))
      })
  })
}

async function answerTo(attester: Attester, call: Message, signal: AbortSignal): Promise<Message> {
  if (call.ask === 'describe') {
    const describe = (name: string): TypeDescription => ({
      name,
      challengeLength: attester.challengeLength(name),
      speaksForKey: attester.speaksForKey?.(name) ?? true,
    })
    return { types: attester.evidenceTypes.map(describe) }
  }
  const evidence: Cmw = await attester.evidence(requestOf(call, signal))
  return { evidence: toText(encodeCmw(evidence)) }
}

function requestOf({ ask, type, challenge, spki }: Message, signal: AbortSignal): EvidenceRequest {
  if (ask !== 'evidence' || typeof type !== 'string' || typeof challenge !== 'string' || typeof spki !== 'string') {
    throw new RemoteAttesterError('the caller asks for something that is not known here')
  }
  const key = toBytes(spki)
  return { type, challenge: toBytes(challenge), key: { spki: key, id: hash('sha256', key) }, signal }
}

type Message = Readonly<Record<string, unknown>>

/** Calls over a pipe, each waiting for the answer with its number. */
class Calls {
  readonly #pipe: Pipe
  readonly #waiting = new Map<number, (answer: unknown, error?: unknown) => void>()
  #isClosed = false
  #last = 0

  constructor(pipe: Pipe) {
    this.#pipe = pipe
    pipe.onMessage(message => {
      const answer = parsed(message)
      if (!isRecord(answer) || typeof answer.id !== 'number') return
      const error = typeof answer.error === 'string' ? new RemoteAttesterError(printable(answer.error)) : undefined
      this.#waiting.get(answer.id)?.(answer, error)
    })
    pipe.onClose(() => {
      this.#isClosed = true
      for (const settle of this.#waiting.values()) settle(undefined, new RemoteAttesterError('the attester went away'))
    })
  }

  call(message: Message, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted()
    if (this.#isClosed) throw new RemoteAttesterError('the attester went away')
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.get(id)?.(undefined, signal.reason)
        if (!this.#isClosed) this.#pipe.send(JSON.stringify({ id, ask: 'cancel' }))
      }
      this.#waiting.set(id, (answer, error) => {
        this.#waiting.delete(id)
        signal.removeEventListener('abort', onAbort)
        if (error === undefined) resolve(answer)
        else reject(error)
      })
      signal.addEventListener('abort', onAbort, { once: true })
      this.#pipe.send(JSON.stringify({ ...message, id }))
    })
  }
}

const MOST_CALLS = 1000

/** What is said of a type of Evidence before any is asked for. */
interface TypeDescription {
  readonly name: string
  readonly challengeLength: number | undefined
  readonly speaksForKey: boolean
}

function typeOf(value: unknown): TypeDescription {
  if (!isRecord(value) || typeof value.name !== 'string') {
    throw new RemoteAttesterError('the attester says its types in a form that is not known here')
  }
  return {
    name: value.name,
    challengeLength: typeof value.challengeLength === 'number' ? value.challengeLength : undefined,
    speaksForKey: value.speaksForKey === true,
  }
}

function parsed(message: unknown): unknown {
  if (typeof message !== 'string') return undefined
  try {
    return JSON.parse(message)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function toBytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64url'))
}
