import assert from 'node:assert/strict'
import {
  AlertReceived,
  alertFor,
  type Credential,
  type ExtensionValue,
  type Plug,
  type PlugAnswer,
  type PlugOffer,
} from '#src/handshake/index.js'
import type { Pair, Side } from './support.js'

/*
 * A hostile peer is our own side of the handshake with a plug that was tampered with: what it says is wrong in one
 * place, and right in all others.
 */

/** Changes what a client says in its ClientHello. */
export function alterOffer(change: (offer: PlugOffer) => PlugOffer): (plug: Plug) => Plug {
  return plug => ({
    ...plug,
    *offer(hs) {
      return change(yield* plug.offer(hs))
    },
  })
}

/** Changes what a server says in EncryptedExtensions. */
export function alterAnswer(change: (answer: PlugAnswer) => PlugAnswer): (plug: Plug) => Plug {
  return plug => ({
    ...plug,
    *answer(hs, authenticator) {
      return change(yield* plug.answer(hs, authenticator))
    },
  })
}

/** Changes what a side authenticates with. */
export function alterProof(change: (credential: Credential) => Credential | null): (plug: Plug) => Plug {
  return plug => ({
    ...plug,
    *prove(hs, own) {
      const credential = yield* plug.prove(hs, own)
      assert.ok(credential)
      return change(credential)
    },
  })
}

/** Adds extensions to the first, or to another, entry of a Certificate. */
export function withEntryExtensions(
  credential: Credential,
  extensions: readonly ExtensionValue[],
  index = 0,
): Credential {
  return {
    ...credential,
    entries: credential.entries.map((entry, i) =>
      i === index ? { ...entry, extensions: [...entry.extensions, ...extensions] } : entry,
    ),
  }
}

/** Changes the data of the extension of a type. */
export function withData<T extends { readonly extensions: readonly ExtensionValue[] }>(
  holder: T,
  type: number,
  change: (data: Uint8Array) => Uint8Array,
): T {
  assert.ok(holder.extensions.some(value => value.type === type))
  return {
    ...holder,
    extensions: holder.extensions.map(value => (value.type === type ? { type, data: change(value.data) } : value)),
  }
}

/** Asserts that one side has refused the other: with this code and alert, and before any application data passed in
 *  either direction. */
export function assertRefused(pair: Pair, by: Side, code: string, alert: number): void {
  const refusing = pair[by]
  const refused = pair[by === 'client' ? 'server' : 'client']
  const { error } = refusing
  assert.ok(error, `the ${by} does not refuse: ${refused.error?.message}`)
  assert.equal('code' in error && error.code, code, error.message)
  assert.equal(alertFor(error), alert, error.message)
  assert.ok(refused.error instanceof AlertReceived, refused.error?.message)
  assert.equal(refused.error.alert, alert)
  assert.equal(refusing.data, '', 'data of the refused peer reached the application')
  assert.equal(refused.data, '', 'the refused peer received application data')
  assert.equal(refusing.isEstablished, false)
  assert.equal(refusing.status?.isAttested ?? false, false)
}
