import { isDeepStrictEqual } from 'node:util'
import { AttestationError, ExportedAttestation, expatSettings } from '#src/attestation/index.js'
import { concat, DecodeError } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import {
  AuthenticatorExchange,
  alertFor,
  authenticatorContext,
  completed,
  defaultSignatureSchemes,
  HandshakeType,
  type Message,
  ProtocolError,
  tableWith,
} from '#src/handshake/index.js'
import { ManualTimers } from '../../test/attestation/support.js'
import { always, connectedPair, credentialFor, type Pair, type Side } from '../../test/support/pair.js'
import { attesterOf, NOON, patient, verifierOf } from '../../test/support/simulated.js'
import { checkSentence, gist, type Target, Violation } from '../target.js'
import { decodeCase, type HandshakeCase, overCases, randomOf } from './case.js'
import { deviatingAuthenticator, messagesIn } from './deviating-authenticator.js'
import { edits } from './edits.js'
import { honest } from './pairs.js'

/*
 * Exported authenticators (RFC 9261), and attestation by them (the profile expat). `from` of a case is who authenticates; its
 * edits are of the request (0), Certificate (1), CertificateVerify (2) and Finished (3). Where a name ends in `sealed` it is
 * the authenticating side that deviates: it signs what it has changed. Otherwise it is somebody on the way, without keys.
 */

const NAMES = ['plain', 'plain sealed', 'unasked', 'unasked sealed', 'expat', 'expat sealed']
const MESSAGES = 4
const INTERNAL_ERROR = 80

/** Requests and authenticators that are changed before they are read. */
export const authenticators: Target = {
  name: 'authenticator',
  weight: 10,
  ...overCases(NAMES),
  async run(input) {
    const value = decodeCase(input, NAMES)
    if (!value) return 'no case'
    const { client, server } = await connection()
    const ends = { client: client.established, server: server.established }
    const from = value.pair.startsWith('unasked') ? 'server' : value.from
    const exchange = value.pair.startsWith('expat')
      ? expat(from, ends)
      : value.pair.startsWith('unasked')
        ? unasked(ends)
        : plain(from, ends)
    return `${value.pair} ${from}: ${await exchanged({ ...value, from }, exchange, ends)}`
  },
}

let pair: Promise<Pair> | undefined
/** One connection, on which both have authenticated themselves, is enough for all. */
function connection(): Promise<Pair> {
  pair ??= connectedPair({
    client: { credentials: always(credentialOf('client')) },
    server: { clientAuthentication: 'required' },
  })
  return pair
}

function credentialOf(side: Side) {
  return credentialFor(side === 'client' ? 'client.test' : 'localhost')
}

/** An exchange of which nothing was said yet. */
interface Exchange {
  /** What the other side asks with; empty where nobody does. */
  ask(): Promise<Uint8Array>
  /** @throws what refuses the request */
  answer(request: Uint8Array): Promise<Uint8Array>
  /** Says that there will be no answer. */
  refuse(request: Uint8Array): Uint8Array
  /** @returns what was found out @throws what refuses the authenticator */
  check(authenticator: Uint8Array): Promise<unknown>
}

type Ends = Readonly<Record<Side, Pair['client']['established']>>
const other = (side: Side): Side => (side === 'client' ? 'server' : 'client')

function plain(from: Side, ends: Ends): Exchange {
  const asking = new AuthenticatorExchange({ side: other(from), established: ends[other(from)] })
  const answering = new AuthenticatorExchange({ side: from, established: ends[from] })
  const request = asking.request({ context: systemEntropy.bytes(8), signatureSchemes: defaultSignatureSchemes })
  return {
    ask: async () => request.raw,
    answer: bytes =>
      completed(answering.authenticate(answering.readRequest(bytes), credentialOf(from), { signal: patient })),
    refuse: bytes => answering.refuse(answering.readRequest(bytes)),
    async check(bytes) {
      void contextOf(bytes)
      return asking.check(request, bytes)?.publicKey.spki ?? null
    },
  }
}

function unasked(ends: Ends): Exchange {
  const answering = new AuthenticatorExchange({ side: 'server', established: ends.server })
  const checking = new AuthenticatorExchange({ side: 'client', established: ends.client })
  const context = systemEntropy.bytes(8)
  return {
    ask: async () => new Uint8Array(0),
    answer: () =>
      completed(
        answering.authenticateUnasked(context, credentialOf('server'), defaultSignatureSchemes, { signal: patient }),
      ),
    refuse: () => new Uint8Array(0),
    async check(bytes) {
      void contextOf(bytes)
      return checking.checkUnasked(bytes, defaultSignatureSchemes, new Set()).publicKey.spki
    },
  }
}

function expat(from: Side, ends: Ends): Exchange {
  const on = (side: Side) => {
    const settings = expatSettings(
      side === from ? { attester: attesterOf({ implementationId }) } : { verifier: verifierOf() },
      {
        now: () => NOON,
        timer: new ManualTimers().timer,
      },
    )
    const table = tableWith({ extensions: settings.rows })
    return new ExportedAttestation(settings, {
      established: ends[side],
      exchange: new AuthenticatorExchange({ side, established: ends[side], table }),
      entropy: systemEntropy,
      credential: credentialOf(side),
      signal: patient,
    })
  }
  const [attester, relyingParty] = [on(from), on(other(from))]
  return {
    ask: () => completed(relyingParty.request()),
    answer: bytes => completed(attester.answer(bytes)),
    refuse: bytes => attester.refuse(bytes),
    async check(bytes) {
      let failure: unknown
      try {
        await completed(relyingParty.check(bytes))
      } catch (error) {
        failure = error
      }
      const { isAttested, bindingLevel, peer, attestedKey, rounds } = statusOf(relyingParty)
      if (isAttested === (failure !== undefined) || bindingLevel !== (isAttested ? 3 : 0)) {
        throw new Violation(`an attestation that ${failure ? 'failed' : 'succeeded'} is told as the other`)
      }
      if (failure !== undefined) {
        if (rounds !== 0 || !peer.reason) throw new Violation('an attestation that failed leaves a verdict')
        throw failure
      }
      if (!peer.result?.isAccepted) throw new Violation('who is attested was not accepted')
      claims ??= peer.result.submodules
      if (!isDeepStrictEqual(peer.result.submodules, claims)) throw new Violation('other claims than were made')
      return attestedKey
    },
  }
}
let claims: object | undefined
/** One machine, whoever asks it. */
const implementationId = new Uint8Array(32).fill(3)

function statusOf(attestation: ExportedAttestation) {
  const { isAttested, bindingLevel, peer, attestedKeyId, rounds } = attestation.status
  const keys = [credentialOf('client'), credentialOf('server')].map(({ key }) => key.publicKey.spki)
  void JSON.stringify(attestation.status)
  const attestedKey = keys.find(spki => {
    const identity = peer.result?.attestedKey
    return identity && Buffer.from(identity).equals(spki)
  })
  if (isAttested && !attestedKeyId) throw new Violation('who is attested has no key')
  return { isAttested, bindingLevel, peer, attestedKey, rounds }
}

/** One exchange with the edits of a case. @returns what came of it */
async function exchanged(value: HandshakeCase, exchange: Exchange, ends: Ends): Promise<string> {
  const { from } = value
  const donors = [...(await honest('everything')), ...(await recorded())]
  const change = (message: Message, index: number): Uint8Array => {
    const edit = value.edits.find(({ at }) => at % MESSAGES === index)
    const made = edit && edits[edit.change]?.(message, { random: randomOf(edit), donors, seal: undefined })
    return made ? concat(...made.map(item => ('raw' in item ? item.raw : item))) : message.raw
  }
  const request = await exchange.ask()
  const isAsked = request.length > 0
  const asked = isAsked ? change(messageIn(request), 0) : request
  const isAskedRight = Buffer.from(asked).equals(request)
  let authenticator: Uint8Array
  let refused = ''
  try {
    authenticator = await exchange.answer(Uint8Array.from(asked))
  } catch (error) {
    if (isAskedRight) throw error
    refused = `refused, ${refusalOf(error)}; `
    try {
      authenticator = exchange.refuse(Uint8Array.from(asked))
    } catch (again) {
      return `${refused}${refusalOf(again)}`
    }
  }
  const messages = messagesIn(authenticator)
  const [certificate] = messages
  const isSealed = value.pair.endsWith('sealed') && certificate?.type === HandshakeType.certificate
  const sent = isSealed
    ? deviatingAuthenticator(
        // It answers what it was asked, or what it would rather have been asked.
        { side: from, established: ends[from], key: credentialOf(from).key, request: asked },
        certificate,
        (message, index) => change(message, index + 1),
      )
    : concat(...messages.map((message, index) => change(message, messages.length === 1 ? 3 : index + 1)))
  let found: unknown
  try {
    found = await exchange.check(Uint8Array.from(sent))
  } catch (error) {
    if (error instanceof Violation) throw error
    if (value.edits.length === 0) throw error
    return refused + refusalOf(error)
  }
  if (!isAskedRight) throw new Violation('an answer to another request is taken')
  if (!isSealed && !Buffer.from(sent).equals(authenticator)) throw new Violation('an authenticator of nobody is taken')
  const { spki } = credentialOf(from).key.publicKey
  if (found !== null && !Buffer.from(spki).equals(found as Uint8Array)) throw new Violation('another key is believed')
  return `${refused}${found === null ? 'declined' : 'accepted'}`
}

/** What a refusal comes to. @throws what is no refusal */
function refusalOf(error: unknown): string {
  const isDeclared = [AttestationError, ProtocolError, DecodeError].some(declared => error instanceof declared)
  if (!isDeclared && !(error instanceof Error && error.name === 'CertificateError')) throw error
  if (alertFor(error) === INTERNAL_ERROR) throw new Violation(`blames itself: ${(error as Error).stack}`)
  checkSentence(error)
  return gist(error)
}

/** certificate_request_context of what nobody has checked; null where there is none. */
function contextOf(bytes: Uint8Array): Uint8Array | null {
  try {
    return authenticatorContext(bytes)
  } catch (error) {
    refusalOf(error)
    return null
  }
}

function messageIn(bytes: Uint8Array): Message {
  const [message] = messagesIn(bytes)
  if (!message) throw new Error('there is no message')
  return message
}

let donated: Promise<readonly Message[]> | undefined
/** The messages of other exchanges. */
function recorded(): Promise<readonly Message[]> {
  donated ??= (async () => {
    const { client, server } = await connection()
    const ends = { client: client.established, server: server.established }
    const all: Message[] = []
    for (const exchange of [plain('client', ends), expat('client', ends), expat('server', ends)]) {
      const request = await exchange.ask()
      all.push(...messagesIn(request), ...messagesIn(await exchange.answer(request)))
    }
    return all
  })()
  return donated
}
