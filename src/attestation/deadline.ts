import { AttestationError } from './errors.js'

/** Waits for somebody outside this process or room, and not for ever.
 *  @param who starts the sentence of the error: `the Verifier`
 *  @param work is told by its signal when nobody waits any more; it need not listen
 *  @throws AttestationError ERR_ATTESTATION_TIMEOUT; whatever the work throws; the reason of `signal` */
export function within<T>(
  options: {
    readonly timer: (ms: number, fire: () => void) => () => void
    readonly ms: number
    readonly who: string
    /** Fires when the connection is over. */
    readonly signal: AbortSignal
  },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timer, ms, who, signal } = options
  return new Promise((resolve, reject) => {
    const controller = new AbortController()
    const giveUp = (reason: unknown) => {
      release()
      reject(reason)
      controller.abort(reason)
    }
    const onAbort = () => giveUp(signal.reason)
    const cancel = timer(ms, () => {
      const sentence = `${who} did not answer within ${ms} ms`
      giveUp(new AttestationError('ERR_ATTESTATION_TIMEOUT', 'internal_error', sentence))
    })
    const release = () => {
      cancel()
      signal.removeEventListener('abort', onAbort)
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    started(() => work(controller.signal)).then(
      value => {
        release()
        resolve(value)
      },
      error => {
        release()
        reject(error)
      },
    )
  })
}

/** Work that throws before it returns its promise has failed like any other. */
async function started<T>(work: () => Promise<T>): Promise<T> {
  return work()
}
