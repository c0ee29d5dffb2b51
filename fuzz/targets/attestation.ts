import { EvidenceType, EvidenceTypes } from '#src/attestation/evidence-type.js'
import { BatchTree } from '#src/attestation/hardened/batch.js'
import { BATCH_COLLECTION, batchMessage, openEvidence } from '#src/attestation/hardened/batch-message.js'
import { RequestContext } from '#src/attestation/hardened/bytes.js'
import { ControlMessage } from '#src/attestation/hardened/control-message.js'
import { type Pipe, RemoteAttesterError, remoteAttester, serveAttester } from '#src/attester/index.js'
import { decode, encode } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import {
  type Cmw,
  decodeCmw,
  type Ear,
  encodeCmw,
  KAT_MEDIA_TYPE,
  LATEST_EAR_PROFILE,
  makeEar,
  messageSigner,
} from '#src/rats/index.js'
import { attesterOf, NOON, newKey, patient, someKey, verifierOf } from '../../test/support/simulated.js'
import { checkSentence, gist, type Target, Violation } from '../target.js'
import { codecTarget, decoder, refusal } from './decoder.js'

/** What the profiles put on the wire beside Evidence, and what goes between those who attest for each other. */
export const attestationTargets: readonly Target[] = [
  codecTarget('evidence-type', EvidenceType, [{ credentialKind: 1, type: 'application/eat+cwt' }]),
  decoder({
    name: 'evidence-types',
    form: 'binary',
    seeds: () => [encode(EvidenceTypes, [{ credentialKind: 0, type: 263 }])],
    // What is not known is passed over, so that it does not come back.
    decode: bytes => decode(EvidenceTypes, bytes),
  }),
  codecTarget('hardened-control', ControlMessage, [{ kind: 3, seq: 7, body: new Uint8Array(32) }]),
  codecTarget('hardened-context', RequestContext, [
    { version: 1, seq: 2, random: new Uint8Array(32), verifierNonce: new Uint8Array(16) },
  ]),
  batch(),
  results('jwt'),
  results('cwt'),
  remoteCaller(),
  remoteServer(),
]

/** Evidence for many connections: the challenge that it has to be over, by the path that comes with it. */
function batch(): Target {
  const own = new Uint8Array(64).fill(1)
  const evidence: Cmw = { kind: 'record', type: KAT_MEDIA_TYPE, value: new Uint8Array(9).fill(3) }
  const places = [1, 2, 3, 5, 8].flatMap(size => [0, size - 1].map(index => ({ size, index })))
  const genuine = places.map(({ size, index }) => {
    const members = Array.from({ length: size }, (_, i) => (i === index ? own : new Uint8Array(64).fill(100 + i)))
    const tree = new BatchTree(members)
    return { message: batchMessage(evidence, tree.path(index)), challenge: tree.challenge }
  })
  const pathOf = (message: Cmw) => {
    const path = message.kind === 'collection' ? message.entries.get('path') : undefined
    return path?.kind === 'record' ? Buffer.from(path.value).toString('hex') : undefined
  }
  return decoder({
    name: 'hardened-batch',
    form: 'cbor',
    weight: 2,
    seeds: () => genuine.map(({ message }) => encodeCmw(message, 'cbor')),
    decode(bytes) {
      const message = decodeCmw(bytes)
      return { message, ...openEvidence(message, own, undefined) }
    },
    check({ message, challenge }) {
      const known = genuine.filter(one => Buffer.from(one.challenge).equals(challenge))
      if (known.some(one => pathOf(one.message) !== pathOf(message))) {
        throw new Violation('another path leads to the challenge of a batch')
      }
    },
    describe: ({ message, challenge }) => {
      const isBatch = message.kind === 'collection' && message.type === BATCH_COLLECTION
      return `${isBatch ? 'batch' : message.kind} ${genuine.some(one => Buffer.from(one.challenge).equals(challenge))}`
    },
  })
}

/** Attestation Results that a peer presents. */
function results(form: 'jwt' | 'cwt'): Target {
  const issuer = newKey()
  const identity = Uint8Array.from(Buffer.from('verifier.example'))
  const verifier = verifierOf({ issuers: [{ identity, keys: [issuer.publicKey] }] })
  const ear: Ear = {
    profile: LATEST_EAR_PROFILE,
    issuedAt: NOON / 1000,
    expiresAt: NOON / 1000 + 3600,
    verifier: { developer: 'https://verifier.example', build: '1' },
    status: 'affirming',
    submodules: new Map([
      ['PSA_IOT', { status: 'affirming', vector: { executables: 2 }, policyIds: ['p'], attestedKey: someKey.spki }],
    ]),
  }
  let made: Promise<Uint8Array> | undefined
  const seed = () => {
    made ??= makeEar(ear, messageSigner(issuer), form).then(value =>
      encodeCmw({ kind: 'record', type: `application/eat+${form}`, value }, 'cbor'),
    )
    return made
  }
  return {
    name: `results:${form}`,
    form: 'cbor',
    seeds: async () => [await seed()],
    async run(bytes) {
      let message: Cmw
      try {
        message = decodeCmw(bytes)
      } catch (error) {
        return refusal(error)
      }
      let result: Awaited<ReturnType<typeof verifier.checkResults>>
      try {
        result = await verifier.checkResults({ message, verifier: identity, key: someKey, signal: patient })
      } catch (error) {
        // What cannot be appraised is said so, to people.
        checkSentence(error)
        if (!(error instanceof Error && 'code' in error)) throw error
        return gist(error)
      }
      for (const { actual, remedy = '' } of result.checks) checkSentence(new Error(`${actual} ${remedy}`))
      const failed = result.checks.filter(({ passed }) => !passed).map(({ name }) => name)
      if (!result.isAccepted) return `failed: ${failed.join(' ')}`
      if (result.submodules.PSA_IOT?.status !== 'affirming' || Object.keys(result.submodules).length !== 1) {
        throw new Violation('a result that nobody has signed is believed')
      }
      return 'accepted'
    },
  }
}

/** What an attester in another process may answer. */
function remoteCaller(): Target {
  const description = { types: [{ name: KAT_MEDIA_TYPE, challengeLength: 32, speaksForKey: true }] }
  const evidence = {
    evidence: Buffer.from(encodeCmw({ kind: 'record', type: 263, value: new Uint8Array(3) })).toString('base64url'),
  }
  return {
    name: 'remote:answer',
    form: 'json',
    seeds: () =>
      [
        { id: 1, ...description },
        { id: 2, ...evidence },
        { id: 2, error: 'no' },
      ].map(json),
    async run(bytes) {
      const input = Buffer.from(bytes).toString()
      const { near, far } = pipe()
      far.onMessage(message => {
        const { id, ask } = JSON.parse(String(message))
        far.send(input)
        far.send(JSON.stringify({ id, ...(ask === 'describe' ? description : evidence) }))
      })
      try {
        const attester = await remoteAttester(near, { signal: patient })
        const [type = ''] = attester.evidenceTypes
        const { kind } = await attester.evidence({ type, challenge: new Uint8Array(32), key: someKey, signal: patient })
        return `taken ${attester.evidenceTypes.length} ${typeof attester.challengeLength(type)} ${kind}`
      } catch (error) {
        if (!(error instanceof RemoteAttesterError)) return refusal(error)
        checkSentence(error)
        return /^the attester /.test(error.message) ? gist(error) : 'a complaint'
      }
    },
  }
}

/** What somebody may ask an attester in a process of its own. */
function remoteServer(): Target {
  const attester = attesterOf()
  const [type = ''] = attester.evidenceTypes
  const text = (value: Uint8Array) => Buffer.from(value).toString('base64url')
  const call = { id: 2, ask: 'evidence', type, challenge: text(systemEntropy.bytes(32)), spki: text(someKey.spki) }
  return {
    name: 'remote:call',
    form: 'json',
    seeds: () => [{ id: 1, ask: 'describe' }, call, { id: 2, ask: 'cancel' }].map(json),
    async run(bytes) {
      const { near, far } = pipe()
      const answers: string[] = []
      const last = { id: 1e9, ask: 'describe' }
      const isAnswered = new Promise<void>(resolve => {
        near.onMessage(message => {
          answers.push(String(message))
          if (JSON.parse(String(message)).id === last.id) resolve()
        })
      })
      serveAttester(attester, far)
      near.send(Buffer.from(bytes).toString())
      // Evidence takes a while; what comes later is answered as if nothing had been.
      for (let turn = 0; turn < 8; turn++) await new Promise(resolve => setImmediate(resolve))
      near.send(JSON.stringify(last))
      await isAnswered
      if (answers.length > 2) throw new Violation('one call has several answers')
      return `taken ${answers.map(answer => Object.keys(JSON.parse(answer)).join()).join(' ')}`
    },
  }
}

/** Two ends, over nothing but function calls. */
function pipe(): { readonly near: Pipe; readonly far: Pipe } {
  const listeners: ((message: unknown) => void)[][] = [[], []]
  const end = (own: number): Pipe => ({
    send: message => queueMicrotask(() => listeners[1 - own]?.forEach(tell => void tell(message))),
    onMessage: listener => void listeners[own]?.push(listener),
    onClose: () => undefined,
  })
  return { near: end(0), far: end(1) }
}

function json(value: unknown): Uint8Array {
  return Uint8Array.from(Buffer.from(JSON.stringify(value)))
}
