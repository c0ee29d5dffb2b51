import assert from 'node:assert/strict'
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
import {
  acceptByTheText,
  ctxByTheText,
  EKM_LABELS,
  KeyScheduleByTheText,
  rd0ByTheText,
  rdByTheText,
  u32,
} from '../../support/by-the-text.js'

/*
 * Known values, and the same once more by the text: `test/support/by-the-text.ts` has nothing of the package.
 */

const schedule = new KeyScheduleByTheText('sha256', 'tls')

function textRd0(b: HandshakeBinding): Buffer {
  return rd0ByTheText({ ...b, role: b.attesterRole, binder: b.handshakeBinder })
}

function textCtx(c: AttestationContext): Buffer {
  return ctxByTheText({ ...c, role: c.attesterRole })
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
    const textEkm = schedule.exporter(some(32, 9), EKM_LABELS.server, ctx, 32)
    assert.equal(rdByTheText(textCtx(context), textEkm).toString('hex'), KNOWN.rd)
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
        assert.deepEqual(Buffer.from(ekm), schedule.exporter(secret, EKM_LABELS[role], ctx, 32))
        const rd = reportData(ctx, ekm)
        assert.deepEqual(Buffer.from(rd), rdByTheText(ctx, ekm))
        const mac = acceptByTheText(schedule, secret, value.seq, rd)
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
