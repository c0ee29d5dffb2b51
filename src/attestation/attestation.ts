import type { Plug } from '../handshake/index.js'
import { acceptAnswer, type ClientOffer, makeOffer, plugOffer } from './client.js'
import { examine } from './examine.js'
import type { AttestationEnvironment, AttestationOptions } from './options.js'
import { credentialKindOf, Participant, type Surroundings } from './participant.js'
import { prove } from './prove.js'
import { makeAnswer } from './server.js'
import { type RestoredSession, restoreSession, resume, saveSession } from './session-state.js'
import { certificateTypeOf, credentialOf, type Settings, settingsOf } from './settings.js'
import type { AttestationStatus } from './status.js'
import { traceEvent } from './trace.js'

/** Attestation as one side of many connections uses it: options that were checked once. */
export interface Attestation {
  /** Takes part in one connection. */
  connect(surroundings?: Surroundings): ConnectionAttestation
}

/** Attestation on one connection. */
export interface ConnectionAttestation {
  /** For the configuration of the handshake. */
  readonly plug: Plug
  /** How attestation stands. */
  readonly status: AttestationStatus
}

/** Checks what a side is told about attestation.
 *  @throws MisuseError ERR_ATTESTATION_CONFIG if it cannot work, such as a list that does not fit into 255 bytes */
export function createAttestation(
  options: AttestationOptions,
  side: 'client' | 'server',
  environment: AttestationEnvironment,
): Attestation {
  const settings = settingsOf(options, side, environment)
  return {
    connect(surroundings) {
      const participant = new Participant(settings, surroundings)
      return { plug: plugOf(settings, participant), status: participant.status }
    },
  }
}

/** Attestation as the handshake sees it. */
function plugOf(settings: Settings, participant: Participant): Plug {
  const { trace } = settings
  let offer: ClientOffer | undefined
  let restored: RestoredSession | null = null
  return {
    extensions: settings.rows,
    alertNames: settings.alertNames,
    ...(trace && {
      observe: (direction, message) => trace(traceEvent(participant, direction, message)),
    }),
    *offer(hs) {
      offer = yield* makeOffer(participant, hs)
      return plugOffer(settings, offer, hs)
    },
    *answer(hs, authenticator) {
      if (authenticator === 'session' && restored) resume(participant, restored)
      return yield* makeAnswer(participant, hs, authenticator)
    },
    accept(hs, answer, authenticator) {
      if (!offer) throw new Error('an answer is accepted before the offer was made')
      if (authenticator === 'session' && restored) resume(participant, restored)
      return acceptAnswer(participant, offer, hs, answer, authenticator)
    },
    certificateType(_hs, side) {
      const selection = side === settings.side ? participant.own : participant.peer
      return selection && certificateTypeOf(settings, credentialOf(credentialKindOf(selection)))
    },
    prove: (hs, own) => prove(participant, hs, own),
    examine: (hs, peer, publicKey) => examine(participant, hs, peer, publicKey),
    complete() {
      participant.status.isEstablished = true
      participant.closeSession()
    },
    saveSession: () => saveSession(participant),
    restoreSession(state) {
      restored = restoreSession(participant, state)
      return restored !== null
    },
  }
}
