import assert from 'node:assert/strict'
import { utf8 } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import { decodeSession, TicketIssuer } from '#src/handshake/index.js'
import { alterSession } from '../../attestation/hardened/support.js'
import { alterAnswer, alterOffer, alterProof, withData, withEntryExtensions } from '../../attestation/hostile.js'
import type { Pair, Side } from '../../attestation/support.js'
import { testRoot } from '../../support/pair.js'
import { effectOf, harmless, type Outcome, outcomeOf, refused, works } from '../outcome.js'
import type { Due, Row } from '../row.js'
import type { Stage } from '../stage.js'
import { Code, renamed, replaced, withOne, without } from '../tools.js'

/*
 * What was offered is changed on its way, or answered with something else. An attacker on the path has no key, one that
 * answers has all of them.
 */

const everywhere = (due: Due): Record<'AO' | 'CA' | 'PP' | 'H1', Due> => ({ AO: due, CA: due, PP: due, H1: due })
const NEGOTIATION = refused('ERR_ATTESTATION_NEGOTIATION', 'illegal_parameter')
const UNASKED = refused('ERR_TLS_UNSUPPORTED_EXTENSION', 'unsupported_extension')
const UNDECODABLE = refused('ERR_TLS_DECODE', 'decode_error')
/** Both ends have heard different things, and so have different keys. */
const NO_COMMON_KEYS: Due = {
  tls: refused('ERR_TLS_BAD_RECORD_MAC', 'bad_record_mac'),
  dtls: { is: 'lost', by: 'client' },
}

/** The alerts of the draft have numbers only. */
const UNSUPPORTED_EVIDENCE = 'alert_224'
const UNSUPPORTED_VERIFIERS = 'alert_225'
const notAttested = (by: Side): Record<'AO' | 'CA' | 'PP' | 'H1', Outcome> => {
  const outcome = (alert: string) => refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', alert, by)
  const evidence = outcome(UNSUPPORTED_EVIDENCE)
  return { AO: evidence, CA: evidence, PP: outcome(UNSUPPORTED_VERIFIERS), H1: evidence }
}

/** What the client asks with, and what it offers. */
const requestOf = (stage: Stage) => (stage.profile === 'PP' ? Code.results_request : Code.evidence_request)
const proposalOf = (stage: Stage) => (stage.profile === 'PP' ? Code.results_proposal : Code.evidence_proposal)

/** The server answers wrongly. */
function answering(
  change: (
    answer: Parameters<Parameters<typeof alterAnswer>[0]>[0],
    stage: Stage,
  ) => ReturnType<Parameters<typeof alterAnswer>[0]>,
) {
  return (stage: Stage) =>
    stage.connect(stage.client(), stage.server({}, { alterPlug: alterAnswer(answer => change(answer, stage)) }))
}

/** What the client sends is changed on its way. */
function onThePath(change: (stage: Stage) => (bytes: Uint8Array) => Uint8Array, attesting: Side = 'server') {
  return (stage: Stage): Promise<Pair> =>
    stage.connect(stage.end('client', attesting, {}, { tamper: change(stage) }), stage.end('server', attesting))
}

/** Evidence in a place of the Certificate where it does not belong. */
function proving(
  change: (credential: Parameters<Parameters<typeof alterProof>[0]>[0]) => ReturnType<Parameters<typeof alterProof>[0]>,
) {
  return (stage: Stage) => stage.connect(stage.client(), stage.server({}, { alterPlug: alterProof(change) }))
}

const UNKNOWN = 0xff9f

export const negotiations: readonly Row[] = [
  {
    row: 17,
    attack: 'Evidence or results in another place, twice, or unasked',
    variants: [
      {
        name: 'in the second entry',
        due: {
          AO: refused('ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate'),
          CA: NEGOTIATION,
          PP: NEGOTIATION,
          H1: NEGOTIATION,
        },
        attack: proving(credential => {
          const [first] = credential.entries
          assert.ok(first)
          return {
            ...credential,
            entries: [
              { ...first, extensions: [] },
              { data: testRoot().certificate, extensions: first.extensions },
            ],
          }
        }),
      },
      {
        name: 'twice',
        due: { CA: UNDECODABLE, PP: UNDECODABLE, H1: UNDECODABLE },
        attack: proving(credential => withEntryExtensions(credential, credential.entries[0]?.extensions ?? [])),
      },
      {
        name: 'where nothing was agreed on',
        due: everywhere(refused('ERR_ATTESTATION_NEGOTIATION', 'unsupported_extension')),
        control: async () => undefined,
        attack(stage) {
          const evidence = { type: Code.attestation_evidence, data: Uint8Array.of(0x82, 1, 0x40) }
          const alterPlug = alterProof(credential => withEntryExtensions(credential, [evidence]))
          // Here it is the client that attests, and the server that does although nobody has asked.
          return stage.connect(stage.end('client', 'client'), stage.end('server', 'client', {}, { alterPlug }))
        },
      },
    ],
  },
  {
    row: 18,
    attack: 'extension 60 of the registry, which the draft calls attestation_evidence, in another message',
    variants: [
      {
        name: 'in EncryptedExtensions',
        due: everywhere(UNASKED),
        attack: answering(answer => withOne(answer, { type: Code.attestation_evidence, data: Uint8Array.of(1) })),
      },
      {
        name: 'in ClientHello',
        due: { AO: harmless(1), CA: harmless(2), PP: harmless(1), H1: harmless(3) },
        attack: async stage => {
          const alterPlug = alterOffer(offer =>
            withOne(offer, { type: Code.attestation_evidence, data: Uint8Array.of(1) }),
          )
          return effectOf(await stage.connect(stage.client({}, { alterPlug }), stage.server()))
        },
      },
    ],
  },
  {
    row: 19,
    attack: 'the server selects what was not offered, or several',
    variants: [
      {
        name: 'something else',
        due: everywhere(NEGOTIATION),
        attack: answering((answer, stage) =>
          withData(answer, requestOf(stage), data =>
            stage.profile === 'PP'
              ? lengthened(utf8('other.test'))
              : Uint8Array.of(data[0] ?? 0, 1, ...lengthened(utf8('application/x-other'))),
          ),
        ),
      },
      {
        name: 'two',
        due: everywhere(UNDECODABLE),
        attack: answering((answer, stage) =>
          withData(answer, requestOf(stage), data => Uint8Array.of(...data, ...data)),
        ),
      },
      {
        name: 'a list, as in a ClientHello',
        due: everywhere(UNDECODABLE),
        attack: answering((answer, stage) =>
          withData(answer, requestOf(stage), data => Uint8Array.of(data.length, ...data)),
        ),
      },
      {
        name: 'Evidence and results',
        due: { AO: UNASKED, CA: UNASKED, H1: UNASKED, PP: UNASKED },
        attack: answering((answer, stage) =>
          withOne(
            answer,
            stage.profile === 'PP'
              ? { type: Code.evidence_request, data: Uint8Array.of(1, 0, 1, 7) }
              : { type: Code.results_request, data: lengthened(utf8('results.test')) },
          ),
        ),
      },
    ],
  },
  {
    row: 20,
    attack: 'the kind of credential is downgraded: Evidence alone instead of beside X.509',
    notTried: { AO: 'there is nothing below it' },
    variants: [
      {
        due: { CA: NEGOTIATION, PP: UNASKED, H1: NEGOTIATION },
        attack: answering((answer, stage) =>
          stage.profile === 'PP'
            ? withOne(answer, { type: 20, data: Uint8Array.of(224) })
            : withData(answer, Code.evidence_request, data => Uint8Array.of(0, ...data.subarray(1))),
        ),
      },
    ],
  },
  {
    row: 21,
    attack: 'results instead of Evidence, of which the client asked for Evidence alone',
    notTried: { PP: 'results are what it asked for' },
    variants: [
      {
        due: { AO: UNASKED, CA: UNASKED, H1: UNASKED },
        attack: answering(answer =>
          withOne(without(answer, Code.evidence_request), {
            type: Code.results_request,
            data: lengthened(utf8('results.test')),
          }),
        ),
      },
    ],
  },
  {
    row: 22,
    attack: 'what asks for attestation is stripped on the path',
    variants: [
      {
        name: 'the client’s request',
        due: {
          ...everywhere(NO_COMMON_KEYS),
          // A server that has nothing but Evidence ends it before there are keys.
          AO: { ...NO_COMMON_KEYS, dtls: refused('ERR_TLS_HANDSHAKE_FAILURE', 'handshake_failure', 'server') },
        },
        attack: onThePath(stage => renamed(requestOf(stage), UNKNOWN)),
      },
      {
        name: 'the client’s proposal',
        due: notAttested('server'),
        attack: async stage =>
          outcomeOf(await onThePath(at => renamed(proposalOf(at), UNKNOWN), 'client')(stage), 'server'),
      },
    ],
  },
  {
    row: 23,
    attack: 'a server that has the key does not attest',
    variants: [
      {
        name: 'it leaves out its answer',
        due: notAttested('client'),
        attack: stage => answering(answer => without(answer, requestOf(stage)))(stage),
      },
      {
        name: 'it knows nothing of attestation',
        due: notAttested('client'),
        attack: stage => {
          const { attestation: _none, ...server } = stage.server({}, { hasCertificate: true })
          return stage.connect(stage.client(), server)
        },
      },
    ],
  },
  {
    row: 24,
    attack: 'the profile is stripped, not echoed, or another version of it selected',
    notTried: { AO: 'no profile is negotiated', CA: 'no profile is negotiated', PP: 'no profile is negotiated' },
    variants: [
      {
        name: 'on the path',
        due: { H1: refused('ERR_ATTESTATION_NEGOTIATION', 'missing_extension', 'server') },
        attack: async stage =>
          outcomeOf(await onThePath(() => renamed(Code.hardened_attestation, UNKNOWN))(stage), 'server'),
      },
      {
        name: 'not echoed',
        due: { H1: refused('ERR_ATTESTATION_NEGOTIATION', 'missing_extension') },
        attack: answering(answer => without(answer, Code.hardened_attestation)),
      },
      {
        name: 'version 2 is selected',
        due: { H1: NEGOTIATION },
        attack: answering(answer => withData(answer, Code.hardened_attestation, () => Uint8Array.of(2, 1, 0, 0))),
      },
      {
        name: 'version 2 alone is offered',
        due: { H1: refused('ERR_ATTESTATION_NEGOTIATION', 'handshake_failure', 'server') },
        attack: async stage => {
          const alterPlug = alterOffer(offer =>
            withData(offer, Code.hardened_attestation, () => Uint8Array.of(1, 2, 2)),
          )
          return outcomeOf(await stage.connect(stage.client({}, { alterPlug }), stage.server()), 'server')
        },
      },
      {
        name: 'a client demands what the server cannot do',
        due: { H1: refused('ERR_ATTESTATION_NEGOTIATION', 'handshake_failure', 'server') },
        attack: async stage =>
          outcomeOf(
            await stage.connect(stage.client(), stage.end('server', 'client', { require: 'optional' })),
            'server',
          ),
      },
      {
        name: 'a server demands what the client cannot do',
        due: { H1: refused('ERR_ATTESTATION_NEGOTIATION', 'handshake_failure') },
        attack: answering(answer => withData(answer, Code.hardened_attestation, () => Uint8Array.of(1, 3, 0, 0))),
      },
      {
        name: 'a server of draft08',
        due: { H1: refused('ERR_ATTESTATION_NEGOTIATION', 'missing_extension') },
        attack: stage => stage.connect(stage.client(), stage.server({ profile: 'draft08' })),
      },
    ],
  },
  {
    row: 25,
    attack: 'the server wants the client to attest, and leaves out CertificateRequest',
    variants: [
      {
        due: everywhere(refused('ERR_TLS_UNEXPECTED_MESSAGE', 'unexpected_message')),
        control: clientAttests,
        attack: stage => {
          const alterPlug = alterAnswer(answer => ({ ...answer, needsCertificateRequest: false }))
          return stage.connect(stage.end('client', 'client'), stage.end('server', 'client', {}, { alterPlug }))
        },
      },
    ],
  },
  {
    row: 26,
    attack: 'a client that owes an attestation sends an empty Certificate',
    variants: [
      {
        due: everywhere(refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', 'certificate_required', 'server')),
        control: clientAttests,
        attack: async stage => {
          const alterPlug = alterProof(() => null)
          return outcomeOf(
            await stage.connect(stage.end('client', 'client', {}, { alterPlug }), stage.end('server', 'client')),
            'server',
          )
        },
      },
    ],
  },
  {
    row: 31,
    attack: 'a PSK in place of certificates, and with them of Evidence',
    variants: [
      {
        name: 'an external one that both have',
        due: {
          AO: refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', UNSUPPORTED_EVIDENCE),
          CA: refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', UNSUPPORTED_EVIDENCE),
          PP: refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', UNSUPPORTED_VERIFIERS),
          H1: harmless(3),
        },
        attack: async stage => {
          const preSharedKeys = [{ identity: utf8('psk'), key: new Uint8Array(32).fill(7), hash: 'sha256' as const }]
          return effectOf(
            await stage.connect(
              stage.client({}, { client: { preSharedKeys } }),
              stage.server({}, { server: { preSharedKeys } }),
            ),
          )
        },
      },
      {
        name: 'a ticket of the honest server, whose ticket keys are stolen',
        // A session that is resumed rests on the ticket, whatever it was earned with.
        due: { AO: works(1), CA: works(1), PP: works(1) },
        attack: resumed,
      },
      {
        name: 'no ticket is kept',
        due: { H1: harmless(3) },
        attack: async stage => {
          const pair = await stage.connect(stage.client(), stage.server({}, { server: { tickets: tickets() } }))
          assert.equal(pair.client.sessions.length, 0)
          return effectOf(pair)
        },
      },
    ],
  },
  {
    row: 32,
    attack: 'early data is accepted that was not offered',
    variants: [
      {
        due: everywhere(UNASKED),
        attack: answering(answer => withOne(answer, { type: 42, data: new Uint8Array() })),
      },
    ],
  },
  {
    row: 53,
    attack: 'an older version of the protocol',
    variants: [
      {
        name: 'selected by the server',
        due: everywhere(refused('ERR_TLS_ILLEGAL_PARAMETER', 'illegal_parameter')),
        attack: stage => {
          const [newest, older] =
            stage.transport === 'tls'
              ? [
                  [3, 4],
                  [3, 3],
                ]
              : [
                  [0xfe, 0xfc],
                  [0xfe, 0xfd],
                ]
          const versions = (version: readonly number[] = []) => Uint8Array.of(0, 43, 0, 2, ...version)
          return stage.connect(
            stage.client(),
            stage.server({}, { tamper: replaced(versions(newest), versions(older)) }),
          )
        },
      },
      {
        name: 'the newer one is stripped from the offer on the path',
        due: everywhere(refused('ERR_TLS_PROTOCOL_VERSION', 'protocol_version', 'server')),
        attack: async stage => outcomeOf(await onThePath(() => renamed(43, UNKNOWN))(stage), 'server'),
      },
    ],
  },
  {
    row: 54,
    attack: 'the name of the server is another one for the two ends',
    variants: [
      {
        name: 'changed on the path',
        due: everywhere(NO_COMMON_KEYS),
        attack: onThePath(() => replaced('localhost', 'otherhost')),
      },
      {
        name: 'taken from the path',
        due: everywhere(NO_COMMON_KEYS),
        attack: onThePath(() =>
          replaced(Uint8Array.of(0, 0, 0, 14, 0, 12, 0, 0, 9), Uint8Array.of(0xff, 0x9f, 0, 14, 0, 12, 0, 0, 9)),
        ),
      },
      {
        name: 'in what the Evidence is over',
        due: { H1: refused('ERR_ATTESTATION_REFUSED', 'access_denied') },
        attack: stage => {
          const alterPlug = alterSession(session => ({
            ...session,
            established: { ...session.established, serverName: 'otherhost' },
          }))
          return stage.connect(stage.client(), stage.server({}, { alterPlug }))
        },
      },
    ],
  },
]

const tickets = () => new TicketIssuer(systemEntropy, { count: 1 })

async function clientAttests(stage: Stage): Promise<void> {
  const pair = await stage.connect(stage.end('client', 'client'), stage.end('server', 'client'))
  assert.equal(outcomeOf(pair, 'server').is, 'works')
}

/** The client comes back to an attacker that can open the honest server's tickets, and has nothing else. */
async function resumed(stage: Stage): Promise<Pair> {
  const stolen = tickets()
  const first = await stage.connect(stage.client(), stage.server({}, { server: { tickets: stolen } }))
  const [session] = first.client.sessions
  assert.ok(session)
  const pair = await stage.connect(
    stage.client({}, { client: { session: decodeSession(session) ?? undefined } }),
    stage.impostor(() => assert.fail('there is no TEE'), { server: { tickets: stolen } }),
  )
  assert.equal(pair.client.status?.isResumed, true, 'and says so')
  return pair
}

/** A vector with a length of two bytes. */
function lengthened(data: Uint8Array): Uint8Array {
  return Uint8Array.of(data.length >> 8, data.length & 255, ...data)
}
