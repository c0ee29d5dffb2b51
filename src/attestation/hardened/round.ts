import { EMPTY, encode, utf8 } from '../../bytes/index.js'
import { type HashName, hash, hashLength } from '../../crypto/index.js'
import type { ControlSession } from '../../handshake/index.js'
import { EvidenceType } from '../evidence-type.js'
import {
  ACCEPT_LABEL,
  AttesterRole,
  acceptance,
  attestationContext,
  EXPORTER_LABELS,
  type Phase,
  reportData,
} from './bytes.js'

/** What one attestation after the handshake is made of: all of it from our own state. */
export interface RoundInputs {
  readonly established: ControlSession['established']
  /** Which side attests. */
  readonly attester: 'client' | 'server'
  readonly phase: (typeof Phase)[keyof typeof Phase]
  readonly seq: number
  /** The authenticator request, header included. */
  readonly request: Uint8Array
  /** SubjectPublicKeyInfo of the authenticator's key. */
  readonly aik: Uint8Array
  /** SubjectPublicKeyInfo that the attester authenticated the handshake with; undefined if with none. */
  readonly attesterKey: Uint8Array | undefined
  readonly relyingPartyKey: Uint8Array | undefined
  readonly selected: EvidenceType
  /** RD of the last attestation that was accepted in this direction, 64 bytes. */
  readonly previous: Uint8Array
}

/** What both ends of an attestation come to. */
export interface Round {
  /** RD, 64 bytes. */
  readonly reportData: Uint8Array
  /** ACCEPT. */
  readonly acceptance: Uint8Array
}

/** One attestation after the handshake. */
export function roundOf(inputs: RoundInputs): Round {
  const { established, attester, seq } = inputs
  const { suite, exporter } = established
  const context = attestationContext({
    attesterRole: AttesterRole[attester],
    phase: inputs.phase,
    version: established.version,
    cipherSuite: suite.id,
    group: established.group,
    seq,
    requestHash: hash(suite.hash, inputs.request),
    transcriptHash: established.transcriptHash,
    tlsSpki: digestOf(suite.hash, inputs.attesterKey),
    aikSpki: hash(suite.hash, inputs.aik),
    relyingPartySpki: digestOf(suite.hash, inputs.relyingPartyKey),
    serverName: utf8(established.serverName ?? ''),
    evidenceType: encode(EvidenceType, inputs.selected),
    previous: inputs.previous,
  })
  const rd = reportData(context, exporter.derive(EXPORTER_LABELS[attester], context, 32))
  const key = exporter.derive(ACCEPT_LABEL, context, hashLength[suite.hash])
  return { reportData: rd, acceptance: acceptance(suite.hash, key, seq, rd) }
}

function digestOf(name: HashName, spki: Uint8Array | undefined): Uint8Array {
  return spki ? hash(name, spki) : EMPTY
}

/** What both directions of a session have in common. */
export interface SessionState {
  readonly session: ControlSession
  /** SubjectPublicKeyInfo of the keys that the handshake was authenticated with. */
  readonly ownKey: Uint8Array | undefined
  readonly peerKey: Uint8Array | undefined
  /** What went out as our Evidence last, as a CMW: it must not come back. */
  ownEvidence: Uint8Array | undefined
  /** SubjectPublicKeyInfo of the key in our authenticators; undefined until there was one. */
  ownAik: Uint8Array | undefined
  send(kind: number, seq: number, body: Uint8Array): void
}
