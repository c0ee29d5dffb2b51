import assert from 'node:assert/strict'
import type {
  AttestationCredential,
  AttestationModel,
  AttestationOptions,
  AttestationStatus,
} from '#src/attestation/index.js'
import { bareKeys, FakeAttester, FakePresenter, FakeVerifier, type Side } from './support.js'

/** How one side attests. */
export interface Attesting {
  readonly model: AttestationModel
  readonly credential: AttestationCredential
}

/** One combination of draft-fossati-tls-attestation-08 §1, for any transport: who attests how. */
export interface Case {
  readonly name: string
  readonly client: Attesting | undefined
  readonly server: Attesting | undefined
}

const WAYS: readonly (Attesting | undefined)[] = [
  undefined,
  { model: 'background-check', credential: 'attestation-only' },
  { model: 'background-check', credential: 'x509' },
  { model: 'passport', credential: 'attestation-only' },
  { model: 'passport', credential: 'x509' },
]

/** All of them, but for the one in which nobody attests. */
export const cases: readonly Case[] = WAYS.flatMap(client =>
  WAYS.filter(server => client || server).map(server => ({
    name: `client: ${describe(client)}; server: ${describe(server)}`,
    client,
    server,
  })),
)

function describe(way: Attesting | undefined): string {
  return way ? `${way.model}, ${way.credential}` : 'does not attest'
}

/** The options of one side for a case: it proves itself in its way, and demands the way of the other side. */
export function optionsFor(
  { client, server }: Case,
  side: Side,
  attester?: FakeAttester,
): Omit<AttestationOptions, 'profile'> {
  const own = side === 'client' ? client : server
  const peer = side === 'client' ? server : client
  return {
    ...(own && {
      ...(own.model === 'passport' ? { presenter: new FakePresenter() } : { attester: attester ?? new FakeAttester() }),
      ownCredentials: [own.credential],
      ...(own.credential === 'attestation-only' && { identityKey: bareKeys[side] }),
    }),
    ...(peer && { verifier: new FakeVerifier(), peerCredentials: [peer.credential] }),
  }
}

/** Whether a side needs an X.509 credential: a server does, unless attestation stands in for it. */
export function needsCertificate({ client, server }: Case, side: Side): boolean {
  if (side === 'client') return client?.credential === 'x509'
  return server?.credential !== 'attestation-only'
}

/** Checks what a side tells of the other, when its handshake is complete. */
export function checkPeer(status: AttestationStatus | undefined, peer: Case['client']): void {
  assert.equal(status?.isAttested, peer !== undefined)
  assert.equal(status?.peer.negotiated?.model, peer?.model)
  assert.equal(status?.peer.negotiated?.credential, peer?.credential)
  assert.equal(status?.bindingLevel, levelOf(peer))
  assert.equal(status?.isSimulated, peer !== undefined)
  assert.deepEqual(status?.claims, peer ? { simulated: { measurement: 'good', place: 'lab' } } : {})
}

/** Checks what a side tells of itself. */
export function checkOwn(status: AttestationStatus | undefined, own: Case['client']): void {
  assert.equal(status?.own.isPresented, own !== undefined)
  assert.equal(status?.own.negotiated?.model, own?.model)
  assert.equal(status?.own.bindingLevel, levelOf(own))
}

function levelOf(way: Case['client']): number {
  if (!way) return 0
  return way.model === 'background-check' && way.credential === 'x509' ? 2 : 1
}
