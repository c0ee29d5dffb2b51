import type { Attester, Cmw, EvidenceRequest } from '#src/rats/index.js'
import { FakeAttester, TEST_EVIDENCE } from './support.js'

/** An Attester that answers when the test says so. */
export class SlowAttester implements Attester {
  readonly evidenceTypes = [TEST_EVIDENCE]
  /** By request, in the order in which they came. */
  readonly pending: { readonly request: EvidenceRequest; settle(error?: Error): Promise<void> }[] = []
  readonly #inner = new FakeAttester()

  challengeLength(): undefined {
    return undefined
  }

  evidence(request: EvidenceRequest): Promise<Cmw> {
    return new Promise((resolve, reject) => {
      const settle = async (error?: Error) => {
        if (error) reject(error)
        else resolve(await this.#inner.evidence(request))
        await turns()
      }
      this.pending.push({ request, settle })
    })
  }
}

/** Lets what is settled be acted on. */
export const turns = () => new Promise(resolve => setImmediate(resolve))
