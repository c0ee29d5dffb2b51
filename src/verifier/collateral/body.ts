import { concat } from '../../bytes/index.js'

/** What a service answers, up to a size: it is not trusted with our memory.
 *  @param url for the sentence   @throws Error if the answer is longer */
export async function boundedBody(response: Response, url: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  const reader = response.body?.getReader()
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    parts.push(next.value)
    length += next.value.length
    if (length > MAX_BODY) {
      // Whether the service hears of it changes nothing here.
      reader?.cancel().catch(() => undefined)
      throw new Error(`${url} answers with more than ${MAX_BODY} bytes`)
    }
  }
  return concat(...parts)
}

/** The largest CRLs of Intel's have a tenth. */
const MAX_BODY = 8 << 20
