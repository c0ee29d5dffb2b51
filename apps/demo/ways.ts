import { createHash, generateKeyPairSync } from 'node:crypto'
import { type AttestedAgentOptions, createPresenter, createVerifier, signingKey } from 'attested-tls'
import { measured, SimulatedAttester, SimulatedRoot } from 'attested-tls/attester'
import type { Verifier } from 'attested-tls/rats'
import { type Fleet, type Listening, RESULTS_VERIFIER } from './ipc.js'
import { showMessage } from './screen.js'

/** How the client of an act comes to its connection. */
export interface Way {
  /** What is shown, for people. */
  readonly introduction: string
  /** What the server has to know of the client; null: nothing. */
  readonly fleet: Fleet | null
  options(server: Listening, verifier: Verifier): AttestedAgentOptions
}

/** The profile that one gets without asking. */
export function hardened(): Way {
  return {
    introduction:
      'The profile hardened, which is the default. The certificate says who the VM is, its Evidence what it runs. It attests ' +
      'in the handshake, and once more over all of it: that ties the proof to the keys that will protect the data.',
    fleet: null,
    options: ({ certificate }, verifier) => ({ ca: certificate ?? [], attestation: { verifier, trace: showMessage } }),
  }
}

/** The draft alone. The client comes in the passport model: a Verifier that the server knows too has appraised it once, and
 *  it presents the result to whomever asks. */
export function draft08(): Way {
  const { presenter, resultsKey } = fleetVerifier()
  const identityKey = signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  return {
    introduction:
      'The profile draft08, for peers that speak draft-fossati-tls-attestation-08 and no more. Here neither side has a ' +
      'certificate: Evidence stands in for the VM’s, and the client shows what its fleet’s Verifier found out earlier. Such ' +
      'proofs are tied to keys alone. So each side says which key it expects, and has to accept by name what can happen: ' +
      'relay, who has stolen a key passes the proof off as its own; replay, results are shown again while they hold; ' +
      'diversion, another sound machine answers.',
    fleet: { resultsKey, keyId: createHash('sha256').update(identityKey.publicKey.spki).digest('hex') },
    options: ({ keyId }, verifier) => ({
      attestation: {
        profile: 'draft08',
        acceptDraft08Risks: ['relay', 'replay', 'diversion'],
        warn: () => {},
        verifier,
        peerCredentials: ['attestation-only'],
        expectedIdentity: { keyIds: [Buffer.from(keyId, 'hex')] },
        presenter,
        identityKey,
        trace: showMessage,
      },
    }),
  }
}

/** The Verifier of a fleet of clients, and what one of them shows for it. */
function fleetVerifier() {
  const root = SimulatedRoot.create({ now: Date.now() })
  const results = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const software = measured('workload', Buffer.from('payment-client 2.0'), '2.0')
  const workload = Buffer.from(software.measurement).toString('hex')
  const verifier = createVerifier({
    identity: RESULTS_VERIFIER,
    policy: {
      version: 1,
      name: 'fleet of clients',
      platforms: [{ kind: 'simulated', measurements: [{ values: { workload } }] }],
    },
    roots: { simulated: [root.pem] },
    signingKey: signingKey(results.privateKey),
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => {},
  })
  const attester = new SimulatedAttester({ platform: root.issue('client'), components: [software] })
  return {
    presenter: createPresenter({ attester, verifiers: [verifier] }),
    resultsKey: results.publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  }
}
