import { RequestContext } from '#src/attestation/hardened/bytes.js'
import { ControlKind, ControlMessage } from '#src/attestation/hardened/control-message.js'
import type { AttestationOptions } from '#src/attestation/index.js'
import { decode, utf8 } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import type { ControlSession, ExtensionValue, Plug } from '#src/handshake/index.js'
import type { AttestationResult, Cmw, Verifier } from '#src/rats/index.js'
import { alterSession } from '../attestation/hardened/support.js'
import { bareKeys, End, type EndOptions, keyId } from '../attestation/support.js'
import { seededEntropy } from '../support/pair.js'
import { verifierOf } from '../support/simulated.js'
import { ISSUER, type Stage } from './stage.js'

/* What attackers have in their hands: each of these is our own stack, with a hook where it is not honest. */

/** Code points that attacks meddle with. */
export const Code = {
  evidence_request: 0xff80,
  evidence_proposal: 0xff81,
  results_request: 0xff82,
  results_proposal: 0xff83,
  attestation_evidence: 60,
  hardened_attestation: 0xffa1,
  cmw_attestation: 0xff00,
  atls_control: 248,
} as const

/** A Verifier of the attacker's: it says yes, and keeps what it is shown.
 *  @param nonces what it gives out, one after the other; at random when they are used up */
export function collector(nonces: readonly Uint8Array[] = []) {
  const collected: Cmw[] = []
  const left = nonces.map(nonce => Uint8Array.from(nonce))
  const yes = (message: Cmw, challenge: Uint8Array | null, spki: Uint8Array | undefined): AttestationResult => {
    collected.push(message)
    return {
      status: 'affirming',
      isAccepted: true,
      submodules: {},
      attestedKey: spki ?? bareKeys.server.publicKey.spki,
      challenge,
      issuedAt: 0,
      expiresAt: null,
      checks: [],
      isSimulated: true,
      token: null,
    }
  }
  const verifier: Verifier = {
    ...partsOf(verifierOf()),
    policyDigest: 'everything',
    resultIdentities: [ISSUER],
    checkResults: async ({ message, key }) => yes(message, null, key?.spki),
    async newSession() {
      return {
        nonce: left.shift() ?? systemEntropy.bytes(32),
        appraise: async ({ message, challenge, key }) => yes(message, challenge, key?.spki),
      }
    },
  }
  return { verifier, collected }
}

/** A client of the attacker's: it asks with nonces of its choice, believes everything, and keeps what it is shown.
 *  @param random of the request after the handshake, so that it is byte for byte that of somebody else */
export function collecting(stage: Stage, nonces: readonly Uint8Array[] = [], random?: Uint8Array) {
  const { verifier, collected } = collector(nonces)
  const alterPlug = alterSession(session => (random ? withRandom(session, random) : session))
  // Who has nothing but Evidence has to be expected; this Verifier says whatever is.
  const expected = stage.profile === 'AO' && { expectedIdentity: { keyIds: [keyId(bareKeys.server)] } }
  return { end: stage.client({ verifier, ...expected }, stage.isHardened ? { alterPlug } : {}), collected }
}

/** Goes to the honest server and has it attest.
 *  @returns its Evidence, in the handshake and after it; or its results */
export async function fetchFrom(
  stage: Stage,
  server: EndOptions,
  nonces: readonly Uint8Array[] = [],
  random?: Uint8Array,
): Promise<readonly Cmw[]> {
  const { end, collected } = collecting(stage, nonces, random)
  await stage.connect(end, server)
  return collected
}

function withRandom(session: ControlSession, random: Uint8Array): ControlSession {
  const entropy = { ...session.entropy, bytes: (length: number) => random.slice(0, length) }
  return { ...session, entropy }
}

/** Options of a client whose first nonce is seen as it passes over the wire, where anybody can see it.
 *  @param nonces where it goes */
export function watching(stage: Stage, nonces: Uint8Array[]): Partial<AttestationOptions> {
  // Results have no nonce.
  if (stage.profile === 'PP') return {}
  const verifier = verifierOf()
  return {
    verifier: {
      ...partsOf(verifier),
      async newSession(options) {
        const session = await verifier.newSession(options)
        if (nonces.length === 0) nonces.push(session.nonce)
        return session
      },
    },
  }
}

export interface OverheardRequest {
  readonly random: Uint8Array
  readonly nonce: Uint8Array
}

/** Notes the requests that a side is sent after the handshake. */
export function overhearing(requests: OverheardRequest[]): (plug: Plug) => Plug {
  return plug => ({
    ...plug,
    observe(direction, { type, body }) {
      if (direction !== 'received' || type !== Code.atls_control) return
      const message = decode(ControlMessage, body)
      if (message.kind !== ControlKind.request) return
      const context = message.body.subarray(5, 5 + (message.body[4] ?? 0))
      const { random, verifierNonce } = decode(RequestContext, context)
      requests.push({ random: Uint8Array.from(random), nonce: Uint8Array.from(verifierNonce) })
    },
  })
}

/** A Verifier whose verdicts, or nonces, are changed.
 *  @param change is told which verdict it is, from 0 */
export function changedVerifier(
  verifier: Verifier,
  change: (result: AttestationResult, index: number) => AttestationResult | Promise<AttestationResult>,
  nonce?: () => Uint8Array,
): Verifier {
  let count = 0
  return {
    ...partsOf(verifier),
    checkResults: async submission => change(await verifier.checkResults(submission), count++),
    async newSession(options) {
      const session = await verifier.newSession(options)
      return {
        nonce: nonce?.() ?? session.nonce,
        appraise: async submission => change(await session.appraise(submission), count++),
      }
    },
  }
}

function partsOf(verifier: Verifier): Verifier {
  return {
    identity: verifier.identity,
    evidenceTypes: verifier.evidenceTypes,
    policyDigest: verifier.policyDigest,
    ...(verifier.resultIdentities && { resultIdentities: verifier.resultIdentities }),
    challengeLength: type => verifier.challengeLength(type),
    ...(verifier.speaksForKey && { speaksForKey: (type: string) => verifier.speaksForKey?.(type) ?? true }),
    checkResults: submission => verifier.checkResults(submission),
    newSession: options => verifier.newSession(options),
  }
}

/** Randomness and ephemeral secrets that two servers share, as if they had leaked from one to the other. */
export function leakedEntropy() {
  const shares = new Map<string, ReturnType<ReturnType<typeof seededEntropy>['answerKeyShare']>>()
  return () => {
    const entropy = seededEntropy('leaked')
    return {
      ...entropy,
      answerKeyShare(group: Parameters<typeof entropy.answerKeyShare>[0], peer: Uint8Array) {
        const id = `${group} ${Buffer.from(peer).toString('hex')}`
        const share = shares.get(id) ?? entropy.answerKeyShare(group, peer)
        shares.set(id, share)
        // Who gets a secret wipes it.
        return { ...share, secret: Uint8Array.from(share.secret) }
      },
    }
  }
}

/** Lets a server run as far as these bytes of a client take it. */
export async function feed(options: EndOptions, pieces: readonly Uint8Array[]): Promise<void> {
  const { connection } = new End('server', options)
  connection.start()
  for (const piece of pieces) connection.receive(piece)
  while (connection.pause) {
    await connection.pause
    connection.resume()
  }
}

/** Renames an extension on its way, which is to strip it as far as both ends are concerned; lengths stay, and with them
 *  records and fragments. */
export function renamed(from: number, to: number, firstByteOf?: number): (bytes: Uint8Array) => Uint8Array {
  return bytes => {
    const copy = Buffer.from(bytes)
    const code = Buffer.from([from >> 8, from & 255, ...(firstByteOf === undefined ? [] : [firstByteOf])])
    const at = copy.indexOf(code)
    if (at >= 0) copy.writeUInt16BE(to, at)
    return copy
  }
}

/** Replaces bytes on their way by as many others, once. */
export function replaced(from: string | Uint8Array, to: string | Uint8Array): (bytes: Uint8Array) => Uint8Array {
  const [found, instead] = [from, to].map(part => (typeof part === 'string' ? utf8(part) : part))
  return bytes => {
    const copy = Buffer.from(bytes)
    const at = copy.indexOf(Buffer.from(found ?? []))
    if (at >= 0) copy.set(instead ?? [], at)
    return copy
  }
}

/** Without the extension of a type. */
export function without<T extends { readonly extensions: readonly ExtensionValue[] }>(made: T, type: number): T {
  return { ...made, extensions: made.extensions.filter(extension => extension.type !== type) }
}

/** With one more extension. */
export function withOne<T extends { readonly extensions: readonly ExtensionValue[] }>(
  made: T,
  value: ExtensionValue,
): T {
  return { ...made, extensions: [...made.extensions, value] }
}
