import { ProtocolError } from './alert.js'
import { type Message, messageName } from './messages.js'

/** What a paused handshake waits for: one of some messages, the outside world, or whichever of the two comes first. */
export type Wait =
  | { readonly receive: readonly number[]; readonly alarm?: Promise<undefined> }
  | { readonly promise: Promise<unknown> }

/** A part of a handshake: it reads like the RFC and pauses only in `receive` and `until`. */
export type Step<T> = Generator<Wait, T, unknown>

/** Waits for the next message, which has to be of one of these types. */
export function* receive(...types: readonly number[]): Step<Message> {
  // The machine resumes a `receive` with a message of one of the types, and with nothing else.
  return (yield { receive: types }) as Message
}

/** Waits for the next message, which has to be of this type, but no longer than until `alarm` is fulfilled.
 *  @returns undefined if it was the alarm */
export function* receiveBefore(alarm: Promise<undefined>, type: number): Step<Message | undefined> {
  // The machine resumes with a message of the type, or with what the alarm was fulfilled with.
  return (yield { receive: [type], alarm }) as Message | undefined
}

/** Waits for a value; one that is there already costs no pause. */
export function* until<T>(value: T | Promise<T>): Step<T> {
  if (!(value instanceof Promise)) return value
  // The machine resumes with what the promise was fulfilled with.
  return (yield { promise: value }) as T
}

/** Runs a handshake: gives it the messages it waits for, refuses the others, and says when it waits for the world. */
export class Machine<T> {
  readonly #steps: Step<T>
  #wait: Wait | undefined
  #settled: { readonly value: unknown } | { readonly error: unknown } | undefined
  #pause: Promise<void> | undefined
  /** Whether a message is welcome, whatever else is waited for. */
  #isListening = false
  #result: { readonly value: T } | undefined

  constructor(steps: Step<T>) {
    this.#steps = steps
  }

  /** What the handshake came to; undefined until it has ended. */
  get result(): { readonly value: T } | undefined {
    return this.#result
  }

  /** Settles when the world has answered; call `resume` then. Undefined unless the handshake waits for the world. */
  get pause(): Promise<void> | undefined {
    return this.#isListening ? undefined : this.#pause
  }

  /** Settles when the steps no longer want to wait for a message; call `resume` then. */
  get alarm(): Promise<void> | undefined {
    return this.#isListening ? this.#pause : undefined
  }

  /** Runs up to the first pause. */
  start(): void {
    this.#advance(() => this.#steps.next())
  }

  /** Gives the next message. Not while `pause` is set. @throws ProtocolError unexpected_message */
  receive(message: Message): void {
    this.expect(message.type)
    this.#pause = undefined
    this.#settled = undefined
    this.#advance(() => this.#steps.next(message))
  }

  /** Checks that a message of this type is welcome, which can be known before all of it is there.
   *  @throws ProtocolError unexpected_message */
  expect(type: number): void {
    const wait = this.#wait
    const types = wait && 'receive' in wait ? wait.receive : NONE
    if (types.includes(type)) return
    const expected = types.length === 0 ? 'none is expected' : `${types.map(messageName).join(' or ')} is expected`
    throw new ProtocolError('unexpected_message', `${messageName(type)} came where ${expected}`)
  }

  /** Goes on with what the world answered, after `pause` has settled. */
  resume(): void {
    const settled = this.#settled
    if (!settled) return
    this.#settled = undefined
    this.#pause = undefined
    if ('error' in settled) this.#advance(() => this.#steps.throw(settled.error))
    else this.#advance(() => this.#steps.next(settled.value))
  }

  /** Gives the handshake up: its steps run their `finally`, and nothing else. */
  stop(): void {
    this.#wait = undefined
    this.#pause = undefined
    this.#settled = undefined
    // The result is not looked at any more, so what is returned does not matter.
    this.#steps.return(undefined as T)
  }

  #advance(step: () => IteratorResult<Wait, T>): void {
    this.#wait = undefined
    const { done, value } = step()
    if (done) {
      this.#result = { value }
      return
    }
    this.#wait = value
    this.#isListening = 'receive' in value
    const awaited = 'promise' in value ? value.promise : value.alarm
    if (awaited) {
      // A machine that was stopped meanwhile has no use for the answer.
      const settle = (settled: { readonly value: unknown } | { readonly error: unknown }) => {
        if (this.#pause === pause) this.#settled = settled
      }
      const pause = awaited.then(
        answer => settle({ value: answer }),
        error => settle({ error }),
      )
      this.#pause = pause
    }
  }
}

/** Takes steps that wait for the world and for no message, outside of a handshake. */
export async function completed<T>(steps: Step<T>): Promise<T> {
  const machine = new Machine(steps)
  machine.start()
  while (!machine.result) {
    if (!machine.pause) throw new Error('the steps wait for a message, which nobody will give them')
    await machine.pause
    machine.resume()
  }
  return machine.result.value
}

const NONE: readonly number[] = []
