import assert from 'node:assert/strict'
import { ControlMessage } from '#src/attestation/hardened/control-message.js'
import type { AttestationOptions } from '#src/attestation/index.js'
import { decode, encode } from '#src/bytes/index.js'
import type { ControlSession, Plug } from '#src/handshake/index.js'
import type { EvidenceRequest } from '#src/rats/index.js'
import { attesterOf, NOON, verifierOf } from '../../support/simulated.js'
import type { EndOptions, Pair, Side } from '../support.js'

/** Which sides attest. */
export type Attesting = 'server' | 'client' | 'both'

/** One end of a connection under the profile `hardened`, with a simulated platform and a Verifier in the process. */
export function hardenedEnd(side: Side, attesting: Attesting, changes: Partial<EndOptions> = {}): EndOptions {
  const attests = attesting === 'both' || attesting === side
  const demands = attesting === 'both' || attesting !== side
  return {
    hasCertificate: side === 'server' || attests,
    now: NOON,
    ...changes,
    attestation: {
      profile: 'hardened',
      ...(attests && { attester: attesterOf() }),
      ...(demands && { verifier: verifierOf() }),
      ...changes.attestation,
    },
  }
}

/** Options of one end, with another attestation. */
export function withAttestation(end: EndOptions, attestation: Partial<AttestationOptions>): EndOptions {
  return { ...end, attestation: { ...end.attestation, ...attestation } }
}

/** Changes what a side sends after the handshake; several messages, or none, may stand in for one. */
export function alterControl(change: (message: ControlMessage) => readonly ControlMessage[]): (plug: Plug) => Plug {
  return alterSession(session => ({
    ...session,
    send(body) {
      for (const message of change(decode(ControlMessage, body))) session.send(encode(ControlMessage, message))
    },
  }))
}

/** Changes what a side has to work with after the handshake. */
export function alterSession(change: (session: ControlSession) => ControlSession): (plug: Plug) => Plug {
  return plug => {
    const { control } = plug
    if (!control) throw new Error('the plug has nothing to say after the handshake')
    return { ...plug, control: { ...control, run: session => control.run(change(session)) } }
  }
}

/** An attester that tells what it is asked for. */
export function recordingAttester() {
  const attester = attesterOf()
  const asked: EvidenceRequest[] = []
  const make = attester.evidence.bind(attester)
  attester.evidence = request => {
    asked.push(request)
    return make(request)
  }
  return { attester, asked }
}

/** Nothing went wrong, and the data of both sides has arrived. */
export function assertOpen({ client, server }: Pair): void {
  assert.equal(client.error, undefined, client.error?.message)
  assert.equal(server.error, undefined, server.error?.message)
  assert.equal(client.data, 'data of the server')
  assert.equal(server.data, 'data of the client')
}
