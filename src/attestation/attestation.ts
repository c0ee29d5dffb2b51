import { MisuseError, type Plug } from '../handshake/index.js'
import { acceptAnswer, type ClientOffer, makeOffer, plugOffer } from './client.js'
import { examine } from './examine.js'
import { acceptHardened, answerHardened, checkPeerNonce, hardenedOffer } from './hardened/negotiation.js'
import { hardenedControl } from './hardened/session.js'
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
  /** Whether secrets of its connections may be logged. */
  readonly allowsKeyLog: boolean
  /** Takes part in one connection. */
  connect(surroundings?: Surroundings): ConnectionAttestation
}

/** Attestation on one connection. */
export interface ConnectionAttestation {
  /** For the configuration of the handshake. */
  readonly plug: Plug
  /** How attestation stands. */
  readonly status: AttestationStatus
  /** `hardened`: has the peer attest anew now, unless it is about to.
   *  @throws MisuseError where nothing of the kind was agreed on, and once the connection is over */
  renew(): void
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
    allowsKeyLog: settings.profile.name !== 'hardened',
    connect(surroundings) {
      const participant = new Participant(settings, surroundings)
      return {
        plug: plugOf(settings, participant),
        status: participant.status,
        renew() {
          if (!participant.renew)
            throw new MisuseError(
              'there is no attestation on this connection that can be renewed',
              'ERR_ATTESTATION_STATE',
            )
          participant.renew()
        },
      }
    },
  }
}

/** Attestation as the handshake sees it. */
function plugOf(settings: Settings, participant: Participant): Plug {
  const { trace } = settings
  const isHardened = settings.profile.name === 'hardened'
  let offer: ClientOffer | undefined
  let restored: RestoredSession | null = null
  return {
    extensions: settings.rows,
    alertNames: settings.alertNames,
    ...(trace && {
      observe: (direction, message) => trace(traceEvent(participant, direction, message)),
    }),
    ...(isHardened && { forbidsPsk: true, control: hardenedControl(participant) }),
    *offer(hs) {
      offer = yield* makeOffer(participant, hs)
      const made = plugOffer(settings, offer, hs)
      return isHardened ? { ...made, extensions: [...made.extensions, hardenedOffer(participant)] } : made
    },
    *answer(hs, authenticator) {
      if (authenticator === 'session' && restored) resume(participant, restored)
      // First, since a peer that does not speak the profile is to cost nothing.
      const answer = isHardened ? answerHardened(participant, hs) : undefined
      const made = yield* makeAnswer(participant, hs, authenticator)
      if (isHardened) checkPeerNonce(participant)
      return answer ? { ...made, extensions: [...made.extensions, answer] } : made
    },
    accept(hs, answer, authenticator) {
      if (!offer) throw new Error('an answer is accepted before the offer was made')
      if (authenticator === 'session' && restored) resume(participant, restored)
      const accepted = acceptAnswer(participant, offer, hs, answer, authenticator)
      if (isHardened) {
        acceptHardened(participant, hs, answer)
        checkPeerNonce(participant)
      }
      return accepted
    },
    certificateType(_hs, side) {
      const selection = side === settings.side ? participant.own : participant.peer
      return selection && certificateTypeOf(settings, credentialOf(credentialKindOf(selection)))
    },
    prove: (hs, own) => prove(participant, hs, own),
    examine: (hs, peer, publicKey) => examine(participant, hs, peer, publicKey),
    complete() {
      // Under the profile hardened there is more to come before anybody is attested.
      if (!isHardened) participant.status.isEstablished = true
      participant.closeSession()
    },
    saveSession: () => saveSession(participant),
    restoreSession(state) {
      restored = restoreSession(participant, state)
      return restored !== null
    },
  }
}
