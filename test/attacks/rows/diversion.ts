import assert from 'node:assert/strict'
import { type AttestationOptions, createAttestation } from '#src/attestation/index.js'
import { PublicKey } from '#src/crypto/index.js'
import { bareKeys, keyId, ManualTimers } from '../../attestation/support.js'
import { always, credentialFor } from '../../support/pair.js'
import { attesterOf, root, workload } from '../../support/simulated.js'
import { assertControl, notSetUp, outcomeOf, refused, works } from '../outcome.js'
import type { Row } from '../row.js'
import type { Stage } from '../stage.js'
import { changedVerifier, fetchFrom } from '../tools.js'

/*
 * Diversion: the Evidence is about the other end, which is sound, and not the one that was meant.
 */

const elsewhere = () => attesterOf({ platform: root.issue('another machine') })
const OTHER = refused('ERR_ATTESTATION_IDENTITY_MISMATCH', 'access_denied')

const NAME = refused('ERR_X509_NAME_MISMATCH', 'bad_certificate')

/** The honest control of a client that expects the instance. */
async function expectingInstance(stage: Stage) {
  const attestation = await instance(stage)
  assertControl(await stage.connect(stage.client(attestation), stage.server()), stage.level)
}

/** Options of a client that knows which machine it means. */
async function instance(stage: Stage): Promise<Partial<AttestationOptions>> {
  const { client } = assertControl(await stage.connect(stage.client(), stage.server()))
  const [claims] = Object.values(client.status?.claims ?? {})
  const id = claims?.['instance-id']
  assert.equal(typeof id, 'string')
  return { expectedIdentity: { claims: { 'instance-id': String(id) } } }
}

/** Evidence for a key that is not the end's own. */
const forAnother = credentialFor('other.test').key.publicKey

export const diversions: readonly Row[] = [
  {
    row: 6,
    attack: 'the connection is diverted to another sound machine with the same image, nothing is stolen',
    variants: [
      {
        name: 'nobody is expected',
        due: { AO: { is: 'not set up', code: 'ERR_ATTESTATION_CONFIG' } },
        attack(stage) {
          const { expectedIdentity: _nobody, ...attestation } = stage.client().attestation ?? {}
          const environment = {
            now: Date.now,
            timer: new ManualTimers().timer,
            hasCertificate: false,
            warn: () => undefined,
          }
          return notSetUp(async () => assert.fail(`set up: ${createAttestation(attestation, 'client', environment)}`))
        },
      },
      {
        name: 'somebody is expected, and nobody in particular',
        due: { AO: works(1) },
        attack: stage =>
          stage.connect(stage.client(), stage.server({ ...stage.proofOf(elsewhere()), identityKey: bareKeys.client })),
      },
      {
        name: 'the key is expected',
        due: { AO: OTHER },
        control: async stage => assertControl(await stage.connect(stage.client(pinned()), stage.server())),
        attack: stage =>
          stage.connect(
            stage.client(pinned()),
            stage.server({ ...stage.proofOf(elsewhere()), identityKey: bareKeys.client }),
          ),
      },
      {
        name: 'a name is expected, as always beside X.509',
        due: { CA: NAME, PP: NAME, H1: NAME },
        attack: stage =>
          stage.connect(
            stage.client(),
            stage.server(stage.proofOf(elsewhere()), {
              server: { credentials: always(credentialFor('elsewhere.test')) },
            }),
          ),
      },
    ],
  },
  {
    row: 7,
    attack: 'the same, and the key of the certificate is stolen, or that of the end',
    variants: [
      {
        name: 'any sound machine will do',
        due: { AO: works(1), CA: works(2), PP: works(1), H1: works(3) },
        attack: stage => stage.connect(stage.client(), stage.server(stage.proofOf(elsewhere()))),
      },
      {
        name: 'the instance is expected',
        due: { AO: OTHER, CA: OTHER, PP: OTHER, H1: OTHER },
        control: expectingInstance,
        attack: async stage =>
          stage.connect(stage.client(await instance(stage)), stage.server(stage.proofOf(elsewhere()))),
      },
      {
        name: 'the instance is expected, and it is another one after the handshake only',
        due: { H1: OTHER },
        control: expectingInstance,
        attack: async stage => {
          const expected = await instance(stage)
          // Whatever the Evidence says, this is what the Verifier makes of it.
          const verifier = changedVerifier(stage.verifier(), (result, index) => {
            if (index === 0) return result
            const parts = Object.entries(result.submodules).map(([name, part]) => [
              name,
              { ...part, claims: { ...part.claims, 'instance-id': 'another' } },
            ])
            return { ...result, submodules: Object.fromEntries(parts) }
          })
          return stage.connect(stage.client({ ...expected, verifier }), stage.server())
        },
      },
    ],
  },
  {
    row: 8,
    attack: 'a machine of the attacker’s, sound, with the key of the attested end provisioned to it',
    notTried: { PP: 'results are about a key, wherever it is: row 3' },
    variants: [
      {
        name: 'any sound machine will do',
        due: { AO: works(1), CA: works(2), H1: works(3) },
        attack: stage =>
          stage.connect(stage.client(), stage.server({ ...stage.proofOf(elsewhere()), identityKey: bareKeys.server })),
      },
      {
        name: 'the instance is expected',
        due: { AO: OTHER, CA: OTHER, H1: OTHER },
        control: expectingInstance,
        attack: async stage =>
          stage.connect(
            stage.client(await instance(stage)),
            stage.server({ ...stage.proofOf(elsewhere()), identityKey: bareKeys.server }),
          ),
      },
    ],
  },
  {
    row: 5,
    attack: 'TLS ends outside the TEE, which is an oracle: it attests whatever it is asked to',
    variants: [
      {
        name: 'its image is among the reference values',
        due: { AO: works(1), CA: works(2), PP: works(1), H1: works(3) },
        attack: stage => stage.connect(stage.client(), stage.impostor(stage.honestSource(attesterOf()))),
      },
      {
        name: 'its image is not',
        due: {
          AO: refused('ERR_ATTESTATION_REFUSED', 'access_denied'),
          CA: refused('ERR_ATTESTATION_REFUSED', 'access_denied'),
          H1: refused('ERR_ATTESTATION_REFUSED', 'access_denied'),
        },
        attack: stage => {
          const oracle = attesterOf({
            components: [{ ...workload, measurement: workload.measurement.map(b => b ^ 1) }],
          })
          return stage.connect(stage.client(), stage.impostor(stage.honestSource(oracle)))
        },
      },
      {
        name: 'our own attester is asked to vouch for a key that it does not hold',
        due: { H1: refused('ERR_ATTESTATION_ATTESTER_FAILED', 'internal_error', 'server') },
        async attack(stage) {
          const { schemes } = bareKeys.server
          const foreign = {
            publicKey: PublicKey.fromSpki(bareKeys.client.publicKey.spki),
            schemes,
            sign: bareKeys.server.sign.bind(bareKeys.server),
          }
          return outcomeOf(await stage.connect(stage.client(), stage.server({ identityKey: foreign })), 'server')
        },
      },
    ],
  },
  {
    row: 3,
    attack: 'key and results are stolen, there is no TEE at all',
    notTried: { AO: 'Evidence is not results', CA: 'Evidence is not results' },
    variants: [
      {
        due: { PP: works(1) },
        async attack(stage) {
          const [results] = await fetchFrom(stage, stage.server())
          return stage.connect(
            stage.client(),
            stage.impostor(() => results ?? assert.fail()),
          )
        },
      },
      {
        name: 'results are neither asked for nor taken',
        due: { H1: refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', 'alert_224') },
        attack: stage => stage.connect(stage.client(), stage.resultsServer()),
      },
    ],
  },
  {
    row: 16,
    attack: 'the certificate or key of one, Evidence or results for the key of another',
    variants: [
      {
        due: {
          AO: refused('ERR_TLS_DECRYPT_ERROR', 'decrypt_error'),
          CA: refused('ERR_ATTESTATION_REFUSED', 'access_denied'),
          PP: refused('ERR_ATTESTATION_REFUSED', 'access_denied'),
          H1: refused('ERR_ATTESTATION_REFUSED', 'access_denied'),
        },
        attack: stage => {
          const source = stage.honestSource()
          return stage.connect(
            stage.client(),
            stage.impostor((request, index) =>
              source({ ...request, key: { ...request.key, spki: forAnother.spki } }, index),
            ),
          )
        },
      },
      {
        name: 'and a Verifier that does not mind',
        due: {
          AO: refused('ERR_TLS_DECRYPT_ERROR', 'decrypt_error'),
          CA: refused('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate'),
          PP: refused('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate'),
          H1: refused('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate'),
        },
        attack: stage => {
          const verifier = changedVerifier(stage.verifier(), result => ({ ...result, attestedKey: forAnother.spki }))
          return stage.connect(stage.client({ verifier }), stage.server())
        },
      },
    ],
  },
]

function pinned(): Partial<AttestationOptions> {
  return { expectedIdentity: { keyIds: [keyId(bareKeys.server)] } }
}
