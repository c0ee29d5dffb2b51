import assert from 'node:assert/strict'
import { DtlsConnection } from '#src/dtls/index.js'
import { DatagramPair, type NetworkOptions } from '../support/datagram-pair.js'
import { configFor, type EndOptions, FakeAttester, ManualTimers, type Side } from './support.js'

/** A pair over datagrams, whose ends are those of `support.ts`. */
export function datagramPair(ends: Readonly<Record<Side, EndOptions>>, network: NetworkOptions = {}) {
  const timers = { client: new ManualTimers(), server: new ManualTimers() }
  const client = configFor('client', ends.client, timers.client)
  const server = configFor('server', ends.server, timers.server)
  assert.ok(client.config.side === 'client' && server.config.side === 'server')
  const pair = new DatagramPair(
    new DtlsConnection('client', client.config.config),
    new DtlsConnection('server', server.config.config),
    network,
  )
  const attested = { client: client.attested, server: server.attested }
  return { pair, timers, attested, client: client.attested?.status, server: server.attested?.status }
}

/** Evidence of 16 KiB and more. */
export function longAttester(): FakeAttester {
  return new FakeAttester({ alter: claims => Object.assign({}, claims, { log: 'x'.repeat(16_384) }) })
}
