import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { MessageChannel } from 'node:worker_threads'
import {
  type Pipe,
  pipeOverPort,
  pipeOverProcess,
  RemoteAttesterError,
  remoteAttester,
  serveAttester,
} from '#src/attester/index.js'
import { type Attester, KAT_MEDIA_TYPE } from '#src/rats/index.js'
import { appraise, attesterOf, failures, patient, someKey, verifierOf } from '../support/simulated.js'

/** Two ends, over nothing but function calls. */
function pipes(): { readonly near: Pipe; readonly far: Pipe; readonly close: () => void } {
  const ends = [0, 1].map(() => ({ messages: [] as ((message: unknown) => void)[], closes: [] as (() => void)[] }))
  const end = (own: number): Pipe => ({
    send: message => queueMicrotask(() => ends[1 - own]?.messages.forEach(tell => void tell(message))),
    onMessage: listener => void ends[own]?.messages.push(listener),
    onClose: listener => void ends[own]?.closes.push(listener),
  })
  return {
    near: end(0),
    far: end(1),
    close: () => ends.forEach(({ closes }) => void closes.forEach(tell => void tell())),
  }
}

const request = { type: KAT_MEDIA_TYPE, challenge: new Uint8Array(32), key: someKey, signal: patient }

describe('a remote attester', () => {
  test('attests through a MessagePort as the one behind it would', async () => {
    const { port1, port2 } = new MessageChannel()
    serveAttester(attesterOf(), pipeOverPort(port2))
    try {
      const attester = await remoteAttester(pipeOverPort(port1), { signal: patient })
      assert.deepEqual(attester.evidenceTypes, attesterOf().evidenceTypes)
      for (const type of attester.evidenceTypes) {
        assert.equal(attester.challengeLength(type), attesterOf().challengeLength(type))
        assert.equal((await appraise({ attester, type })).isAccepted, true)
      }
    } finally {
      port1.close()
    }
  })

  test('rejects with what the attester complains of', async () => {
    const { near, far } = pipes()
    serveAttester(attesterOf(), far)
    const attester = await remoteAttester(near, { signal: patient })
    await assert.rejects(attester.evidence({ ...request, type: 'application/x' }), {
      code: 'ERR_ATTESTER_REMOTE',
      message: /makes no Evidence of type application\/x/,
    })
  })

  test('tells the attester when nobody waits any more', async () => {
    const { near, far } = pipes()
    let called: () => void = () => undefined
    const begun = new Promise<void>(resolve => {
      called = resolve
    })
    let ended: unknown
    const slow: Attester = {
      evidenceTypes: [KAT_MEDIA_TYPE],
      challengeLength: () => undefined,
      evidence: ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            ended = signal.reason
            reject(signal.reason)
          })
          called()
        }),
    }
    serveAttester(slow, far)
    const attester = await remoteAttester(near, { signal: patient })
    const controller = new AbortController()
    const reason = new Error('over')
    const evidence = attester.evidence({ ...request, signal: controller.signal })
    await begun
    controller.abort(reason)
    await assert.rejects(evidence, reason)
    await new Promise(resolve => setImmediate(resolve))
    assert.ok(ended instanceof RemoteAttesterError)
  })

  test('rejects when the other side goes away, now and later', async () => {
    const { near, far, close } = pipes()
    const never: Attester = {
      ...attesterOf(),
      evidenceTypes: ['a/b'],
      challengeLength: () => undefined,
      evidence: () => new Promise(() => undefined),
    }
    serveAttester(never, far)
    const attester = await remoteAttester(near, { signal: patient })
    const evidence = attester.evidence(request)
    close()
    await assert.rejects(evidence, RemoteAttesterError)
    await assert.rejects(attester.evidence(request), RemoteAttesterError)
  })

  test('does not take nonsense for an answer', async () => {
    for (const answer of [{}, { types: [] }, { types: [1] }, { types: [{ name: 1 }] }]) {
      const { near, far } = pipes()
      far.onMessage(message => far.send(JSON.stringify({ id: JSON.parse(String(message)).id, ...answer })))
      await assert.rejects(remoteAttester(near, { signal: patient }), RemoteAttesterError)
    }
  })

  test('passes a complaint on as text that steers no terminal, and not without end', async () => {
    const { near, far } = pipes()
    const error = `no\u001b[2J\u202e${'x'.repeat(100_000)}`
    far.onMessage(message => far.send(JSON.stringify({ id: JSON.parse(String(message)).id, error })))
    await assert.rejects(
      remoteAttester(near, { signal: patient }),
      ({ message }: Error) => /^no\?\[2J\?x/.test(message) && message.length <= 1001,
    )
  })

  test('is not disturbed by messages that are none of its own', async () => {
    const { near, far } = pipes()
    serveAttester(attesterOf(), far)
    for (const noise of ['{', '1', 'null', '{"id":"x"}', '{"id":99}']) {
      near.send(noise)
      far.send(noise)
    }
    const attester = await remoteAttester(near, { signal: patient })
    assert.equal((await appraise({ attester })).isAccepted, true)
  })

  test('attests from a process of its own', async () => {
    const child = fork(fileURLToPath(new URL('../support/attester-process.js', import.meta.url)))
    try {
      const attester = await remoteAttester(pipeOverProcess(child), { signal: patient })
      const result = await appraise({ attester, verifier: verifierOf({ roots: {} }) })
      // The root of that process is its own: everything else agrees.
      assert.deepEqual(failures(result), ['chain'])
    } finally {
      child.kill()
    }
  })

  test('says so when a process was started without a channel', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    assert.throws(() => pipeOverProcess(child).send('x'), /without an IPC channel/)
  })
})
