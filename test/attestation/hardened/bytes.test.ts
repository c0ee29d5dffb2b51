import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import {
  type AttestationContext,
  acceptance,
  attestationContext,
  EXPORTER_LABELS,
  type HandshakeBinding,
  handshakeReportData,
  RequestContext,
  reportData,
} from '#src/attestation/hardened/bytes.js'
import { decode, encode } from '#src/bytes/index.js'
import { MacKey } from '#src/crypto/index.js'
import { Exporter } from '#src/handshake/index.js'

/*
 * The same values once more, straight from the text and with nothing of the package but what is tested: strings are put
 * together by hand and hashed with node:crypto.
 */

const sha512 = (...parts: (Uint8Array | string)[]) =>
  createHash('sha512')
    .update(Buffer.concat(parts.map(bytes)))
    .digest()
const bytes = (part: Uint8Array | string) =>
  typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part)
const v8 = (x: Uint8Array) => Buffer.concat([Buffer.from([x.length]), x])
const v16 = (x: Uint8Array) => Buffer.concat([u16(x.length), x])
const u16 = (n: number) => Buffer.from([n >> 8, n & 255])
const u32 = (n: number) => Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255])

function textRd0(b: HandshakeBinding): Buffer {
  return sha512(
    'ATLS-H1/0',
    '\0',
    Buffer.from([b.attesterRole]),
    Buffer.from([b.credentialKind]),
    u16(b.cipherSuite),
    u16(b.group),
    v8(b.nonce),
    v8(b.handshakeBinder),
    v16(b.spki),
    v16(b.evidenceType),
  )
}

function textCtx(c: AttestationContext): Buffer {
  return Buffer.concat([
    v8(Buffer.from('ATLS-H1/1')),
    Buffer.from([c.attesterRole, c.phase]),
    u16(c.version),
    u16(c.cipherSuite),
    u16(c.group),
    u32(c.seq),
    v8(c.requestHash),
    v8(c.transcriptHash),
    v8(c.tlsSpki),
    v8(c.aikSpki),
    v8(c.relyingPartySpki),
    v8(c.serverName),
    v16(c.evidenceType),
    c.previous,
  ])
}

function textRd(ctx: Uint8Array, ekm: Uint8Array): Buffer {
  return sha512('ATLS-H1 report_data', '\0', v16(ctx), ekm)
}

/** TLS-Exporter (RFC 8446 §7.5) by hand. */
function textExporter(secret: Uint8Array, label: string, context: Uint8Array, length: number): Buffer {
  const h = (data: Uint8Array) => createHash('sha256').update(data).digest()
  const expandLabel = (key: Uint8Array, name: string, ctx: Uint8Array, size: number) => {
    const info = Buffer.concat([u16(size), v8(Buffer.from(`tls13 ${name}`)), v8(ctx)])
    let okm = Buffer.alloc(0)
    for (let block = Buffer.alloc(0), i = 1; okm.length < size; i++) {
      block = createHmac('sha256', key)
        .update(block)
        .update(info)
        .update(Buffer.from([i]))
        .digest()
      okm = Buffer.concat([okm, block])
    }
    return okm.subarray(0, size)
  }
  return expandLabel(expandLabel(secret, label, h(Buffer.alloc(0)), 32), 'exporter', h(context), length)
}

const some = (length: number, from: number) => Uint8Array.from({ length }, (_, i) => (from + i) & 255)

const binding: HandshakeBinding = {
  attesterRole: 1,
  credentialKind: 1,
  cipherSuite: 0x1301,
  group: 0x001d,
  nonce: some(32, 0),
  handshakeBinder: some(32, 32),
  spki: some(91, 64),
  evidenceType: Uint8Array.of(1, 0, 1, 9),
}

const context: AttestationContext = {
  attesterRole: 1,
  phase: 1,
  version: 0x0304,
  cipherSuite: 0x1301,
  group: 0x001d,
  seq: 0,
  requestHash: some(32, 1),
  transcriptHash: some(32, 2),
  tlsSpki: some(32, 3),
  aikSpki: some(32, 4),
  relyingPartySpki: new Uint8Array(),
  serverName: Uint8Array.from(Buffer.from('server.example')),
  evidenceType: Uint8Array.of(1, 0, 1, 9),
  previous: some(64, 5),
}

describe('what ATLS-H1 puts under signatures', () => {
  test('RD0, CTX, EKM, RD and ACCEPT have the known values', () => {
    const ctx = attestationContext(context)
    const exporter = new Exporter(new MacKey('sha256', some(32, 9)))
    const ekm = exporter.derive(EXPORTER_LABELS.server, ctx, 32)
    const rd = reportData(ctx, ekm)
    assert.deepEqual(
      {
        rd0: Buffer.from(handshakeReportData(binding)).toString('hex'),
        ctx: Buffer.from(ctx).toString('hex'),
        ekm: Buffer.from(ekm).toString('hex'),
        rd: Buffer.from(rd).toString('hex'),
        accept: Buffer.from(acceptance('sha256', some(32, 7), 0, rd)).toString('hex'),
      },
      KNOWN,
    )
    assert.equal(textRd0(binding).toString('hex'), KNOWN.rd0)
    assert.equal(textCtx(context).toString('hex'), KNOWN.ctx)
    const textEkm = textExporter(some(32, 9), 'EXPORTER-ATLS-H1 server attester', ctx, 32)
    assert.equal(textRd(textCtx(context), textEkm).toString('hex'), KNOWN.rd)
  })

  test('RD0 is what the text says, whatever it is made of', () => {
    const anyBinding = fc.record({
      attesterRole: fc.constantFrom(0, 1),
      credentialKind: fc.constantFrom(0, 1),
      cipherSuite: fc.nat(0xffff),
      group: fc.nat(0xffff),
      nonce: fc.uint8Array({ maxLength: 255 }),
      handshakeBinder: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      spki: fc.uint8Array({ maxLength: 600 }),
      evidenceType: fc.uint8Array({ maxLength: 300 }),
    })
    fc.assert(
      fc.property(anyBinding, value => Buffer.compare(handshakeReportData(value), textRd0(value)) === 0),
      { numRuns: 50 },
    )
  })

  test('CTX, EKM, RD and ACCEPT are what the text says, whatever they are made of', () => {
    const digest = fc.uint8Array({ minLength: 32, maxLength: 64 })
    const optional = fc.oneof(fc.constant(new Uint8Array()), digest)
    const anyContext = fc.record({
      attesterRole: fc.constantFrom(0, 1),
      phase: fc.constantFrom(1, 2),
      version: fc.constantFrom(0x0304, 0xfefc),
      cipherSuite: fc.nat(0xffff),
      group: fc.nat(0xffff),
      seq: fc.nat(0xffff_ffff),
      requestHash: digest,
      transcriptHash: digest,
      tlsSpki: optional,
      aikSpki: digest,
      relyingPartySpki: optional,
      serverName: fc.uint8Array({ maxLength: 255 }),
      evidenceType: fc.uint8Array({ maxLength: 1024 }),
      previous: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    })
    const anySecret = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(anyContext, anySecret, (value, secret) => {
        const ctx = attestationContext(value)
        assert.deepEqual(Buffer.from(ctx), textCtx(value))
        const role = value.attesterRole === 1 ? 'server' : 'client'
        const ekm = new Exporter(new MacKey('sha256', secret)).derive(EXPORTER_LABELS[role], ctx, 32)
        assert.deepEqual(Buffer.from(ekm), textExporter(secret, `EXPORTER-ATLS-H1 ${role} attester`, ctx, 32))
        const rd = reportData(ctx, ekm)
        assert.deepEqual(Buffer.from(rd), textRd(ctx, ekm))
        const mac = createHmac('sha256', secret).update(u32(value.seq)).update(rd).digest()
        assert.deepEqual(Buffer.from(acceptance('sha256', secret, value.seq, rd)), mac)
      }),
      { numRuns: 50 },
    )
  })

  test('a change of any field of CTX changes it', () => {
    const changes: Partial<AttestationContext>[] = [
      { attesterRole: 0 },
      { phase: 2 },
      { version: 0xfefc },
      { cipherSuite: 0x1302 },
      { group: 0x0017 },
      { seq: 1 },
      { requestHash: some(32, 11) },
      { transcriptHash: some(32, 12) },
      { tlsSpki: new Uint8Array() },
      { aikSpki: some(32, 14) },
      { relyingPartySpki: some(32, 13) },
      { serverName: new Uint8Array() },
      { evidenceType: Uint8Array.of(1, 0, 1, 8) },
      { previous: new Uint8Array(64) },
    ]
    assert.equal(changes.length, Object.keys(context).length)
    const seen = new Set(
      [context, ...changes.map(change => ({ ...context, ...change }))].map(value => {
        return Buffer.from(attestationContext(value)).toString('hex')
      }),
    )
    assert.equal(seen.size, changes.length + 1)
  })

  test('a field longer than it may be is refused, not cut', () => {
    assert.throws(() => attestationContext({ ...context, evidenceType: new Uint8Array(1025) }), RangeError)
    assert.throws(() => attestationContext({ ...context, serverName: new Uint8Array(256) }), RangeError)
    assert.throws(() => attestationContext({ ...context, requestHash: new Uint8Array(31) }), RangeError)
    assert.throws(() => attestationContext({ ...context, previous: new Uint8Array(63) }), RangeError)
  })

  test('certificate_request_context is version, number, randomness and the nonce of the Verifier', () => {
    const value = { version: 1, seq: 7, random: some(32, 0), verifierNonce: some(16, 100) }
    const written = encode(RequestContext, value)
    assert.deepEqual(Buffer.from(written), Buffer.concat([Buffer.from([1]), u32(7), some(32, 0), some(16, 100)]))
    assert.deepEqual(decode(RequestContext, written), value)
    for (let length = 0; length < 37; length++) assert.throws(() => decode(RequestContext, written.subarray(0, length)))
    assert.throws(() => decode(RequestContext, Uint8Array.of(2, ...written.subarray(1))))
  })
})

/** What both implementations make of `binding` and `context`. */
const KNOWN = {
  rd0: '85ccb4f4ba135f6860c5bb658ee6c0474c3fc3b91fbe1c4fb6b27f2a7527a02a6acfde68e5dfbcfd65f0ccbfd0caede2dc116b7b567d04db82ee961bdbe01f82',
  ctx: '0941544c532d48312f31010103041301001d00000000200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202120030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122200405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223000e7365727665722e6578616d706c6500040100010905060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f4041424344',
  ekm: '38ba5db62dbaf13b5b99ab16b981f6aee0299dc6dd76406ee2a65d00b44551a7',
  rd: 'f28dbcee1d72cb9c07fa558f8ff14d9c10cead38c0ad1091e982d3df2fbfaa308c8fa72995e580b998a09dbf6880f91b06b0f7287169f0a54923b3bfb2ed51ea',
  accept: '0ad7fd5b31646c450da444ae13e6330a17a81a8fcc8107f9d6ecad19932e94df',
}
