import assert from 'node:assert/strict'
import { systemEntropy } from '#src/crypto/index.js'
import { AddressCheck, DtlsConnection } from '#src/dtls/index.js'
import { configFor, End, ManualTimers } from '../../attestation/support.js'
import { DatagramPair, type NetworkOptions } from '../../support/datagram-pair.js'
import { attesterOf } from '../../support/simulated.js'
import { harmless, type Outcome, outcomeOf, refused } from '../outcome.js'
import type { Row, Variant } from '../row.js'
import { puppet, type Source, type Stage } from '../stage.js'

/*
 * What peers cost that prove nothing yet, and what a network does to datagrams.
 */

const BOUNDED: Outcome = { is: 'bounded', code: '' }
const levels: Variant['due'] = { AO: harmless(1), CA: harmless(2), PP: harmless(1), H1: harmless(3) }

/** An honest pair over a network that is not; what proves the server is made no more often than it has to be. */
function over(name: string, network: NetworkOptions, mtu?: number): Variant {
  return {
    name,
    due: levels,
    over: 'dtls',
    async attack(stage) {
      for (let seed = 1; seed <= 3; seed++) await crossed(stage, { ...network, seed }, mtu)
      return harmless(stage.level)
    },
  }
}

async function crossed(stage: Stage, network: NetworkOptions, mtu: number | undefined): Promise<void> {
  let made = 0
  const honest = stage.honestSource()
  const source: Source = (request, index) => {
    made++
    return honest(request, index)
  }
  const client = configFor('client', stage.client(), new ManualTimers())
  const server = configFor('server', stage.impostor(source), new ManualTimers())
  assert.ok(client.config.side === 'client' && server.config.side === 'server')
  const options = mtu === undefined ? {} : { mtu }
  const pair = new DatagramPair(
    new DtlsConnection('client', client.config.config, options),
    new DtlsConnection('server', server.config.config, options),
    network,
  )
  await pair.run()
  // The pair's clock does not wait for results to be issued.
  for (let i = 0; i < 1000 && pair.client.connection.state === 'handshake'; i++) {
    await new Promise(resolve => setImmediate(resolve))
    await pair.settle()
  }
  assert.equal(pair.client.error, undefined)
  assert.equal(pair.server.error, undefined)
  assert.equal(client.attested?.status.isAttested, true)
  assert.equal(client.attested?.status.bindingLevel, stage.level)
  assert.equal(made, stage.isHardened ? 2 : 1)
}

/** A ClientHello of somebody who sends nothing else. */
async function helloOf(stage: Stage): Promise<readonly Uint8Array[]> {
  const { connection } = new End('client', stage.client())
  connection.start()
  while (connection.pause) {
    await connection.pause
    connection.resume()
  }
  return connection.takeOutput()
}

/** Lets everything happen that waits for nothing from outside. */
async function rest(ends: readonly End[]): Promise<void> {
  for (let i = 0; i < 50; i++) {
    await new Promise(resolve => setImmediate(resolve))
    for (const { connection } of ends) {
      if (connection.pause && (await isSettled(connection.pause))) connection.resume()
    }
  }
}

async function isSettled(promise: Promise<void>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise<boolean>(resolve => setImmediate(() => resolve(false)))])
}

export const resources: readonly Row[] = [
  {
    row: 49,
    attack: 'datagrams that are lost, doubled, swapped, cut to pieces or changed; addresses that are not the sender’s',
    notTried: { tls: 'a stream has no datagrams' },
    variants: [
      over('lost: one in five', { loss: 0.2 }),
      over('doubled and swapped', { duplication: 0.5, reordering: 0.5 }),
      over('changed: one in ten', { corruption: 0.1 }),
      over('messages in fragments of 200 bytes, swapped', { reordering: 0.3 }, 200),
      {
        name: 'a forged address: no Evidence is made for it, and it is not sent more than came',
        due: { AO: BOUNDED, CA: BOUNDED, PP: BOUNDED, H1: BOUNDED },
        over: 'dtls',
        async attack(stage) {
          let made = 0
          const source: Source = () => {
            made++
            return assert.fail()
          }
          const { config } = configFor('server', stage.impostor(source), new ManualTimers())
          assert.ok(config.side === 'server')
          const check = new AddressCheck(config.config, systemEntropy)
          for (let i = 0; i < 20; i++) {
            for (const datagram of await helloOf(stage)) {
              const admission = check.admit(datagram, Uint8Array.of(192, 0, 2, i, 0x12, 0x34), 0)
              assert.notEqual(admission.type, 'accept')
              if (admission.type === 'reply') assert.ok(admission.datagram.length <= datagram.length)
            }
          }
          assert.equal(made, 0)
          return { is: 'bounded', code: '' }
        },
      },
    ],
  },
  {
    row: 50,
    attack: 'many ClientHellos, and nothing after them',
    variants: [
      {
        name: 'no more Evidence is made or waited for than was set',
        due: {
          AO: { is: 'bounded', code: 'ERR_ATTESTATION_ATTESTER_BUSY' },
          CA: { is: 'bounded', code: 'ERR_ATTESTATION_ATTESTER_BUSY' },
          H1: { is: 'bounded', code: 'ERR_ATTESTATION_ATTESTER_BUSY' },
        },
        async attack(stage) {
          let made = 0
          const attester = puppet(() => {
            made++
            return new Promise(() => undefined)
          })
          const servers: End[] = []
          for (let i = 0; i < 20; i++) {
            const server = new End('server', stage.server({ attester, quotes: { concurrent: 2, waiting: 3 } }))
            server.connection.start()
            for (const bytes of await helloOf(stage)) server.connection.receive(bytes)
            servers.push(server)
          }
          await rest(servers)
          const codes = servers.flatMap(({ connection }) => {
            const events = []
            for (let event = connection.nextEvent(); event; event = connection.nextEvent()) events.push(event)
            return events.flatMap(event =>
              event.type === 'error' && 'code' in event.error ? [String(event.error.code)] : [],
            )
          })
          for (const { connection } of servers) connection.close()
          assert.equal(made, 2)
          assert.equal(codes.length, 15)
          const [code = ''] = new Set(codes)
          return { is: 'bounded', code }
        },
      },
      {
        name: 'none is made for whom the application does not admit',
        due: {
          AO: refused('ERR_ATTESTATION_NOT_ADMITTED', 'access_denied', 'server'),
          CA: refused('ERR_ATTESTATION_NOT_ADMITTED', 'access_denied', 'server'),
          H1: refused('ERR_ATTESTATION_NOT_ADMITTED', 'access_denied', 'server'),
        },
        async attack(stage) {
          let made = 0
          const inner = attesterOf()
          const attester = puppet(request => {
            made++
            return inner.evidence(request)
          })
          const pair = await stage.connect(stage.client(), stage.server({ attester, admit: () => false }))
          assert.equal(made, 0)
          return outcomeOf(pair, 'server')
        },
      },
    ],
    notTried: { PP: 'results are there before anybody asks' },
  },
]
