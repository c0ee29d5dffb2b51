import assert from 'node:assert/strict'
import { ControlKind, type ControlMessage } from '#src/attestation/hardened/control-message.js'
import type { AttestationOptions } from '#src/attestation/index.js'
import { measured } from '#src/attester/index.js'
import { hex, utf8 } from '#src/bytes/index.js'
import type { SigningKey } from '#src/crypto/index.js'
import type { Attester, Cmw } from '#src/rats/index.js'
import { Policy } from '#src/verifier/index.js'
import { alterControl } from '../../attestation/hardened/support.js'
import { bareKeys, type EndOptions, type Pair } from '../../attestation/support.js'
import { attesterOf, document, firmware, NOON, root, verifierOf, workload } from '../../support/simulated.js'
import { assertControl, type Outcome, outcomeOf, refused } from '../outcome.js'
import type { Due, Row, Variant } from '../row.js'
import type { Stage } from '../stage.js'
import { changedVerifier } from '../tools.js'

/*
 * Renewals, under the profile hardened: the peer was accepted, data has passed, and it is asked again.
 */

const { request, authenticator, accept } = ControlKind
const CONTINUITY = refused('ERR_ATTESTATION_CONTINUITY', 'access_denied')
const REFUSED = refused('ERR_ATTESTATION_REFUSED', 'access_denied')
/** It says so in an empty authenticator, and ends the connection; over datagrams the alert is there first. */
const DECLINED: Due = {
  tls: refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', 'certificate_required'),
  dtls: refused('ERR_ATTESTATION_ATTESTER_FAILED', 'internal_error', 'server'),
}
const onlyHardened = { AO: 'there are no renewals', CA: 'there are no renewals', PP: 'there are no renewals' }

const NO_UPDATE = 'draft-ietf-tls-extended-key-update is not spoken: a new exchange is a new connection'

type Changes = Omit<Partial<EndOptions>, 'attestation'>

interface Ends {
  readonly client?: Partial<AttestationOptions>
  readonly clientChanges?: Changes
  readonly server?: Partial<AttestationOptions>
  readonly serverChanges?: Changes
}

/** A pair that is open, and a clock that both look at. */
async function opened(stage: Stage, { client, clientChanges, server, serverChanges }: Ends = {}) {
  const clock = { now: NOON }
  const now = () => clock.now
  const pair = await stage.connect(
    stage.client(client, { ...clientChanges, now }),
    stage.server(server, { ...serverChanges, now }),
  )
  assertControl(pair, 3)
  const renew = async () => {
    clock.now += 20_000
    pair.client.attested?.renew()
    await stage.settle(pair)
  }
  return { pair, renew, clock }
}

/** Attested once, then something happens, and it is asked again. */
function atRenewal(name: string, due: Due, ends: (stage: Stage) => Ends & { readonly before?: () => void }): Variant {
  return {
    name,
    due: { H1: due },
    control: renewed,
    async attack(stage) {
      const { before, ...options } = ends(stage)
      const { pair, renew } = await opened(stage, options)
      before?.()
      await renew()
      return ended(pair, 'by' in due ? due.by : 'client')
    },
  }
}

const ended = (pair: Pair, victim: 'client' | 'server') => outcomeOf(pair, victim, true)

/** The honest control: three renewals. */
async function renewed(stage: Stage): Promise<void> {
  const { pair, renew } = await opened(stage)
  for (let round = 2; round < 5; round++) {
    await renew()
    assert.equal(pair.client.status?.rounds, round)
    assert.equal(pair.client.error, undefined)
  }
}

/** An attester that becomes another one. */
function becoming(other: Attester, first: Attester = attesterOf()) {
  let current = first
  const attester: Attester = {
    evidenceTypes: first.evidenceTypes,
    challengeLength: type => current.challengeLength(type),
    evidence: asked => current.evidence(asked),
  }
  const change = () => {
    current = other
  }
  return { attester, change }
}

/** The environment of the peer changes between two rounds. */
function changing(
  name: string,
  due: Outcome,
  other: () => Attester,
  first?: () => Attester,
  client: Partial<AttestationOptions> = {},
): Variant {
  return atRenewal(name, due, () => {
    const { attester, change } = becoming(other(), first?.())
    return { client, server: { attester }, before: change }
  })
}

const ID = new Uint8Array(32).fill(5)
const same = { implementationId: ID }
const newer = measured('workload', utf8('another shop'), '1.5.0')
/** A Verifier that takes two releases. */
const takesBoth = () =>
  verifierOf({
    policy: Policy.from(
      {
        ...document,
        platforms: [
          {
            kind: 'simulated',
            measurements: [workload, newer].map((one, i) => ({
              name: `release ${i}`,
              values: { workload: hex(one.measurement), firmware: hex(firmware.measurement) },
            })),
          },
        ],
      },
      'shop.json',
    ),
  })

export const renewals: readonly Row[] = [
  {
    row: 42,
    attack: 'renewals out of order',
    notTried: onlyHardened,
    variants: [
      atRenewal(
        'the authenticator of the round before, under the new number',
        refused('ERR_TLS_DECRYPT_ERROR', 'decrypt_error'),
        () => {
          let kept: Uint8Array | undefined
          const alterPlug = alterControl(message => {
            if (message.kind !== authenticator) return [message]
            kept ??= Uint8Array.from(message.body)
            return [{ ...message, body: kept }]
          })
          return { serverChanges: { alterPlug } }
        },
      ),
      atRenewal('Evidence of the round before, in a fresh authenticator', REFUSED, stage => {
        const source = stage.honestSource()
        const made: Cmw[] = []
        return {
          server: stage.proofBy(async (asked, index) => {
            made.push(await source(asked, index))
            return made[Math.min(index, 1)] ?? assert.fail()
          }),
        }
      }),
      ...(
        [
          ['a request that skips a number', 2],
          ['a request that goes back', 0],
          ['a request whose number wraps around', 0xffff_ffff],
        ] as const
      ).map(([name, seq]) =>
        atRenewal(name, refused('ERR_ATTESTATION_NEGOTIATION', 'illegal_parameter', 'server'), () => ({
          clientChanges: {
            alterPlug: alterControl(message => [
              message.kind === request && message.seq === 1 ? { ...message, seq } : message,
            ]),
          },
        })),
      ),
    ],
  },
  {
    row: 43,
    attack: 'at a renewal the peer is another one, or in another state',
    notTried: onlyHardened,
    variants: [
      {
        name: 'another machine after the handshake than in it',
        due: { H1: CONTINUITY },
        attack: stage => {
          const [first, second] = [attesterOf(same), attesterOf({ ...same, platform: root.issue('another machine') })]
          return stage.connect(
            stage.client(),
            stage.impostor((asked, index) => (index === 0 ? first : second).evidence(asked)),
          )
        },
      },
      changing(
        'another machine',
        CONTINUITY,
        () => attesterOf({ ...same, platform: root.issue('another machine') }),
        () => attesterOf(same),
      ),
      changing('another hardware', CONTINUITY, () => attesterOf()),
      changing(
        'another image, which is allowed too',
        CONTINUITY,
        () => attesterOf({ ...same, components: [newer, firmware] }),
        () => attesterOf(same),
        { verifier: takesBoth() },
      ),
      changing(
        'an image that is not allowed',
        REFUSED,
        () => attesterOf({ ...same, components: [newer, firmware] }),
        () => attesterOf(same),
      ),
      changing(
        'a debugger',
        REFUSED,
        () => attesterOf({ ...same, isDebuggable: true }),
        () => attesterOf(same),
      ),
      atRenewal('another key that attests', CONTINUITY, () => {
        let current: SigningKey = bareKeys.server
        const identityKey: SigningKey = {
          get publicKey() {
            return current.publicKey
          },
          get schemes() {
            return current.schemes
          },
          sign: (scheme, data) => current.sign(scheme, data),
        }
        return {
          server: { identityKey },
          before: () => {
            current = bareKeys.client
          },
        }
      }),
      atRenewal('a lower tier', CONTINUITY, stage => ({
        client: {
          verifier: changedVerifier(stage.verifier(), (result, index) =>
            index < 2 ? result : { ...result, status: 'warning' },
          ),
        },
      })),
      atRenewal('a part that is gone', CONTINUITY, stage => ({
        client: {
          verifier: changedVerifier(stage.verifier(), (result, index) =>
            index < 2 ? result : { ...result, submodules: {} },
          ),
        },
      })),
      atRenewal('a verdict about no key, where there was one', CONTINUITY, stage => ({
        client: {
          verifier: changedVerifier(stage.verifier(), (result, index) =>
            index < 2 ? result : { ...result, attestedKey: null },
          ),
        },
      })),
    ],
  },
  {
    row: 44,
    attack: 'a peer that does not attest again, or is asked too often',
    notTried: onlyHardened,
    variants: [
      {
        name: 'it never answers',
        due: { H1: refused('ERR_ATTESTATION_TIMEOUT', 'access_denied') },
        control: renewed,
        async attack(stage) {
          let isSilent = false
          const alterPlug = alterControl(message => (isSilent ? [] : [message]))
          const { pair, renew } = await opened(stage, { serverChanges: { alterPlug } })
          isSilent = true
          await renew()
          pair.client.timers.fire()
          await stage.settle(pair)
          return ended(pair, 'client')
        },
      },
      atRenewal('it declines', DECLINED, () => {
        const broken: Attester = {
          ...attesterOf(),
          evidenceTypes: attesterOf().evidenceTypes,
          challengeLength: () => 32,
          evidence: async () => {
            throw new Error('the platform is out of order')
          },
        }
        const { attester, change } = becoming(broken)
        return { server: { attester }, before: change }
      }),
      {
        name: 'two requests at a time',
        due: { H1: refused('ERR_ATTESTATION_NEGOTIATION', 'unexpected_message', 'server') },
        control: renewed,
        async attack(stage) {
          const clock = { now: NOON }
          const now = () => clock.now
          let first: ControlMessage | undefined
          const alterPlug = alterControl(message => {
            if (message.seq !== 1) return [message]
            if (message.kind === request) first = message
            if (message.kind !== accept || !first) return [message]
            // Long after the first, so that nothing but its being open is in the way.
            clock.now += 20_000
            return [first, message]
          })
          const pair = await stage.connect(stage.client({}, { alterPlug, now }), stage.server({}, { now }))
          assertControl(pair, 3)
          clock.now += 20_000
          pair.client.attested?.renew()
          await stage.settle(pair)
          return ended(pair, 'server')
        },
      },
      {
        name: 'requests faster than they may come',
        due: { H1: refused('ERR_ATTESTATION_NEGOTIATION', 'unexpected_message', 'server') },
        control: renewed,
        async attack(stage) {
          // The client's clock runs ahead, and the server's stands still.
          const clock = { now: NOON }
          const pair = await stage.connect(stage.client({}, { now: () => clock.now }), stage.server())
          assertControl(pair, 3)
          clock.now += 20_000
          pair.client.attested?.renew()
          await stage.settle(pair)
          return ended(pair, 'server')
        },
      },
    ],
  },
  {
    row: 52,
    attack: 'keys that were updated with a new exchange, and Evidence over the old ones',
    notTried: {
      AO: NO_UPDATE,
      CA: NO_UPDATE,
      PP: NO_UPDATE,
      H1: NO_UPDATE,
    },
    variants: [],
  },
]
