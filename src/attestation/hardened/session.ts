import { decode, encode } from '../../bytes/index.js'
import {
  AuthenticatorExchange,
  type ControlSession,
  type PlugControl,
  receiveBefore,
  type Step,
  tableWith,
} from '../../handshake/index.js'
import { AttestationError } from '../errors.js'
import type { Participant } from '../participant.js'
import { MIN_RENEWAL } from '../settings.js'
import { Alarms } from './alarms.js'
import { AttesterSide } from './attester.js'
import { ControlKind, ControlMessage } from './control-message.js'
import { RelyingPartySide } from './relying-party.js'
import type { SessionState } from './round.js'

/*
 * The profile hardened after the handshake (RP: Relying Party; each direction that attests on its own):
 *
 *   RP                                                    attester
 *      REQ seq, ClientCertificateRequest       -------->
 *                                              <--------   AUTHENTICATOR seq, Certificate(CMW), CertificateVerify, Finished
 *      ACCEPT seq, HMAC | REJECT seq, alert    -------->
 *
 *   HS ---> ATTEST ---> OPEN ---> CLOSED       OPEN: all that I require is accepted, all that I owe is accepted
 *                        |  ^
 *                        +--+ renewal: seq + 1, over the RD before it
 */

/** The messages of the profile after the handshake. */
export function hardenedControl(participant: Participant): PlugControl {
  const { settings } = participant
  return {
    messageType: settings.codePoints.atls_control,
    maxLength: MAX_LENGTH,
    *run(session) {
      const alarms = new Alarms(settings.environment.timer)
      const { relyingParty, attester } = sidesOf(participant, session)
      if (relyingParty) participant.renew = () => alarms.ring('renewal')
      try {
        yield* converse({ participant, session, alarms, relyingParty, attester })
      } catch (error) {
        participant.status.lose(error instanceof Error ? error.message : String(error))
        throw error
      } finally {
        participant.renew = undefined
        alarms.clearAll()
        relyingParty?.close()
      }
    },
  }
}
/** An authenticator with its certificates, and what stands around it. */
const MAX_LENGTH = 2 ** 18

interface Conversation {
  readonly participant: Participant
  readonly session: ControlSession
  readonly alarms: Alarms
  readonly relyingParty: RelyingPartySide | undefined
  readonly attester: AttesterSide | undefined
}

function* converse({ participant, session, alarms, relyingParty, attester }: Conversation): Step<void> {
  const { settings, status } = participant
  let isOpen = false
  const openWhenReady = () => {
    if (isOpen || (relyingParty && !relyingParty.hasAccepted) || (attester && !attester.isAccepted)) return
    isOpen = true
    alarms.clear('gate')
    status.isEstablished = true
    session.openGate()
  }
  alarms.set('gate', settings.peerTimeout)
  if (relyingParty) alarms.set('age', settings.maxConnectionAge)
  if (relyingParty) yield* ask(participant, relyingParty, alarms)
  openWhenReady()
  for (;;) {
    const received = yield* receiveBefore(alarms.next(), settings.codePoints.atls_control)
    if (!received) {
      if (alarms.take('gate') && !isOpen) throw tooLate('for attestation after the handshake', settings.peerTimeout)
      if (alarms.take('answer') && relyingParty?.isWaiting) throw tooLate('for an answer', settings.renewalTimeout)
      if (alarms.take('acceptance')) throw tooLate('to accept our attestation', settings.peerTimeout)
      if (alarms.take('age')) throw tooOld(settings.maxConnectionAge)
      if (alarms.take('renewal') && relyingParty && !relyingParty.isWaiting && !isTooSoon(participant, alarms))
        yield* ask(participant, relyingParty, alarms)
      continue
    }
    const message = decode(ControlMessage, received.body)
    if (message.kind === ControlKind.request && attester) {
      yield* attester.answer(message)
      alarms.set('acceptance', settings.peerTimeout)
    } else if (message.kind === ControlKind.authenticator && relyingParty) {
      yield* relyingParty.appraise(message)
      alarms.clear('answer')
      alarms.set('renewal', withJitter(Math.min(settings.renewalInterval, participant.maxRenewal), session))
    } else if (message.kind === ControlKind.accept && attester) {
      attester.accepted(message)
      alarms.clear('acceptance')
    } else if (message.kind === ControlKind.reject && attester) {
      attester.rejected(message)
    } else {
      throw new AttestationError(
        'ERR_ATTESTATION_NEGOTIATION',
        'unexpected_message',
        `atls_control of kind ${message.kind} came in a direction that nothing was agreed on for`,
      )
    }
    openWhenReady()
  }
}

function* ask({ settings }: Participant, relyingParty: RelyingPartySide, alarms: Alarms): Step<void> {
  alarms.clear('renewal')
  alarms.set('answer', settings.renewalTimeout)
  yield* relyingParty.ask()
}

function sidesOf(participant: Participant, session: ControlSession) {
  const { settings, own, peer, credential } = participant
  const { established, side } = session
  const identity = established.peer
  const state: SessionState = {
    session,
    ownKey: credential?.key.publicKey.spki,
    peerKey: identity?.publicKey.spki,
    ownEvidence: undefined,
    ownAik: undefined,
    send: (kind, seq, body) => session.send(encode(ControlMessage, { kind, seq, body })),
  }
  const exchange = new AuthenticatorExchange({
    side,
    established,
    table: tableWith({ extensions: settings.rows }),
    maxCertificateLength: MAX_LENGTH,
    // Version and number stand first in them.
    hasAscendingContexts: true,
  })
  const [certificate] = identity?.chain ?? []
  const relyingParty =
    peer?.model === 'background-check' && settings.verifier && identity && certificate
      ? new RelyingPartySide(participant, state, exchange, peer, settings.verifier, {
          certificate,
          publicKey: identity.publicKey,
        })
      : undefined
  const attester =
    own?.model === 'background-check' && credential
      ? new AttesterSide(participant, state, exchange, own, credential)
      : undefined
  // What was agreed on is owed, whatever became of it in between.
  if ((peer && !relyingParty) || (own && !attester)) throw new Error('attestation was agreed on and cannot be had')
  return { relyingParty, attester }
}

/** Whether the peer has attested a moment ago: then it is asked a little later. */
function isTooSoon({ settings, status }: Participant, alarms: Alarms): boolean {
  const left = (status.renewedAt ?? 0) + MIN_RENEWAL - settings.environment.now()
  if (left > 0) alarms.set('renewal', left)
  return left > 0
}

/** Renewals of many connections that began together spread: a fifth more or less. */
function withJitter(interval: number, { entropy }: ControlSession): number {
  const [high = 0, low = 0] = entropy.bytes(2)
  return Math.round(interval * (0.8 + (0.4 * (high * 256 + low)) / 0xffff))
}

/** What has been found out about a machine is renewed, the keys are not: nobody who had them once is shut out by it. */
function tooOld(ms: number): AttestationError {
  const sentence = `the connection has lasted for ${ms} ms, and is to be made anew: maxConnectionAge`
  return new AttestationError('ERR_ATTESTATION_TOO_OLD', 'access_denied', sentence)
}

function tooLate(what: string, ms: number): AttestationError {
  return new AttestationError('ERR_ATTESTATION_TIMEOUT', 'access_denied', `the peer took longer than ${ms} ms ${what}`)
}
