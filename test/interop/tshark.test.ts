import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer as createRelay, connect as dialPlain } from 'node:net'
import test from 'node:test'
import { connect, createServer } from '#src/node/index.js'
import { hasProgram, optional } from '../support/skip.js'
import { folderWithCertificates, Program, pem, portOf } from './support.js'

const needsTshark = optional('tshark', hasProgram('tshark'), 'apt install tshark')

for (const ciphers of ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256']) {
  test(`tshark reads a connection under ${ciphers} with our key log`, needsTshark, async t => {
    const path = folderWithCertificates(t)
    const server = createServer({ ...pem.server, ciphers }, socket => {
      socket.once('data', () => socket.end('HTTP/1.1 204 No Content\r\nX-Secret: answered\r\n\r\n'))
    })
    const port = await portOf(t, server)
    const packets: Packet[] = []
    const relay = createRelay({ allowHalfOpen: true }, client => {
      const behind = dialPlain({ port, host: '127.0.0.1', allowHalfOpen: true })
      client.on('data', data => packets.push({ isFromClient: true, data })).pipe(behind)
      behind.on('data', data => packets.push({ isFromClient: false, data })).pipe(client)
    })
    const options = { host: '127.0.0.1', port: await portOf(t, relay), servername: 'localhost', ca: pem.ca }
    const socket = connect({ ...options, keyLogFile: path('keys.log') })
    socket.end('GET /decrypted HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(socket.resume(), 'close')

    writeFileSync(path('capture.pcap'), captureOf(packets))
    const tshark = new Program(t, 'tshark', [
      ...['-r', path('capture.pcap'), '-o', `tls.keylog_file:${path('keys.log')}`],
      ...['-Y', 'http', '-T', 'fields', '-e', 'http.request.uri', '-e', 'http.response.code'],
    ])
    assert.equal(await tshark.ends(), 0, tshark.said)
    assert.match(tshark.said, /^\/decrypted\s*$/m)
    assert.match(tshark.said, /^\s*204\s*$/m)
  })
}

/** What went over a connection, in its order. */
interface Packet {
  readonly isFromClient: boolean
  readonly data: Uint8Array
}

/** A capture file (libpcap) in which each packet is a TCP segment in IPv4, between port 50000 and 443. */
function captureOf(packets: readonly Packet[]): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(0xffff, 16)
  header.writeUInt32LE(RAW_IP, 20)
  const sent = { client: 1, server: 1 }
  const records = packets.map(({ isFromClient, data }, index) => {
    const [from, to] = isFromClient ? (['client', 'server'] as const) : (['server', 'client'] as const)
    const segment = Buffer.concat([ipAndTcp(isFromClient, sent[from], sent[to], data.length), data])
    sent[from] += data.length
    const record = Buffer.alloc(16)
    record.writeUInt32LE(index + 1, 0)
    record.writeUInt32LE(segment.length, 8)
    record.writeUInt32LE(segment.length, 12)
    return Buffer.concat([record, segment])
  })
  return Buffer.concat([header, ...records])
}

/** LINKTYPE_RAW: packets begin with their IP header. */
const RAW_IP = 101

/** Headers as RFC 791 §3.1 and RFC 9293 §3.1 draw them; checksums are left out, nobody looks. */
function ipAndTcp(isFromClient: boolean, sequence: number, acknowledged: number, length: number): Buffer {
  const bytes = Buffer.alloc(40)
  bytes[0] = 0x45
  bytes.writeUInt16BE(40 + length, 2)
  bytes[8] = 64
  bytes[9] = 6
  bytes.set([127, 0, 0, isFromClient ? 1 : 2], 12)
  bytes.set([127, 0, 0, isFromClient ? 2 : 1], 16)
  bytes.writeUInt16BE(isFromClient ? 50_000 : 443, 20)
  bytes.writeUInt16BE(isFromClient ? 443 : 50_000, 22)
  bytes.writeUInt32BE(sequence, 24)
  bytes.writeUInt32BE(acknowledged, 28)
  bytes[32] = 0x50
  bytes[33] = 0x18
  bytes.writeUInt16BE(0xffff, 34)
  return bytes
}
