import { hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import type { EndorsementSource, Endorsements, InstanceKeys } from '../../evidence/index.js'

/** Several sources as one: of each kind of collateral the first that has it. */
export function combinedEndorsements(sources: readonly EndorsementSource[]): EndorsementSource {
  return {
    digest: hex(hash('sha256', utf8(sources.map(({ digest }) => digest).join()))),
    gather(needs, options) {
      const gathered = sources.map(source => source.gather(needs, options))
      const ready = gathered.filter((one): one is Endorsements => !(one instanceof Promise))
      return ready.length === gathered.length ? merged(ready) : Promise.all(gathered).then(merged)
    },
  }
}

function merged(all: readonly Endorsements[]): Endorsements {
  const found = new Map<string, unknown>()
  for (const [name, value] of all.flatMap(one => Object.entries(one))) {
    if (value !== undefined && !found.has(name)) found.set(name, value)
  }
  const instanceKeys: InstanceKeys = {
    keyOf(kind, id) {
      for (const one of all) {
        const key = one.instanceKeys.keyOf(kind, id)
        if (key) return key
      }
      return undefined
    },
    secretOf(kind, id) {
      for (const one of all) {
        const secret = one.instanceKeys.secretOf?.(kind, id)
        if (secret) return secret
      }
      return undefined
    },
  }
  // Each member is one of Endorsements, of its type.
  return { ...(Object.fromEntries(found) as Partial<Endorsements>), instanceKeys }
}
