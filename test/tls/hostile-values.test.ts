import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { concat, EMPTY, utf8 } from '#src/bytes/index.js'
import { decodeMessage, encodeMessage, HandshakeType, type Message, messageName } from '#src/handshake/index.js'
import {
  Certificate,
  CertificateVerify,
  ClientHello,
  HELLO_RETRY_REQUEST_RANDOM,
  type RawExtension,
  ServerHello,
} from '#src/handshake/messages.js'
import { withExtensions } from '../support/extensions.js'
import { alertAgainst, kinds } from '../support/hostile.js'
import { connectedPair, makePair, type PairOptions, type Side } from '../support/pair.js'
import { testPlug } from '../support/plug.js'

type Change = (message: Message) => Uint8Array

/** The alert against a side whose first message of a type is changed. */
function answer(from: Side, type: number, change: Change, options?: PairOptions): string | undefined {
  let isDone = false
  return alertAgainst(
    from,
    {
      message(message) {
        if (isDone || message.type !== type) return undefined
        isDone = true
        return [change(message)]
      },
    },
    options,
  )
}

const set =
  (type: number, data: Uint8Array): Change =>
  message =>
    withExtensions(message, list => [
      ...list.filter(value => value.type !== type && value.type !== 41),
      { type, data },
      ...list.filter(value => value.type === 41 && type !== 41),
    ])
const without =
  (...types: readonly number[]): Change =>
  message =>
    withExtensions(message, list => list.filter(({ type }) => !types.includes(type)))
const client =
  (change: (hello: ClientHello) => Partial<ClientHello>): Change =>
  message => {
    const hello = decodeMessage(ClientHello, message)
    return encodeMessage(1, ClientHello, { ...hello, ...change(hello) })
  }
const server =
  (change: (hello: ServerHello) => Partial<ServerHello>): Change =>
  message => {
    const hello = decodeMessage(ServerHello, message)
    return encodeMessage(2, ServerHello, { ...hello, ...change(hello) })
  }
const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const { client_hello, server_hello } = HandshakeType

const x25519 = { type: 51, share: (key: Uint8Array) => concat(bytes('001d'), Uint8Array.of(0, key.length), key) }
const shares = (...list: readonly Uint8Array[]) => {
  const all = concat(...list)
  return concat(Uint8Array.of(all.length >> 8, all.length), all)
}
const someKey = new Uint8Array(32).fill(9)
const psk = { identity: utf8('id'), key: new Uint8Array(32).fill(1), hash: 'sha256' } as const
const withPsk = { client: { preSharedKeys: [psk] }, server: { preSharedKeys: [psk] } } satisfies PairOptions

describe('a ClientHello is refused', () => {
  const rows: readonly (readonly [string, Change, string, PairOptions?])[] = [
    ['without supported_versions', without(43), 'protocol_version'],
    ['with older versions only', set(43, bytes('02 0303')), 'protocol_version'],
    ['with no version', set(43, bytes('00')), 'decode_error'],
    ['with compression', client(() => ({ legacyCompressionMethods: Uint8Array.of(1, 0) })), 'illegal_parameter'],
    ['with another compression', client(() => ({ legacyCompressionMethods: Uint8Array.of(1) })), 'illegal_parameter'],
    ['with no cipher suite of TLS 1.3', client(() => ({ cipherSuites: [0xc02b, 0x0a0a] })), 'handshake_failure'],
    ['without supported_groups', without(10), 'missing_extension'],
    ['without key_share', without(51), 'missing_extension'],
    ['without signature_algorithms', without(13), 'missing_extension'],
    ['without any of them', without(10, 13, 51), 'missing_extension'],
    ['with no group', set(10, bytes('0000')), 'decode_error'],
    ['with half a group', set(10, bytes('0003 001d 00')), 'decode_error'],
    ['with two shares of a group', set(51, shares(x25519.share(someKey), x25519.share(someKey))), 'illegal_parameter'],
    ['with a share of another group', set(51, shares(concat(bytes('4242 0001'), bytes('07')))), 'illegal_parameter'],
    ['with an empty share', set(51, shares(bytes('001d 0000'))), 'decode_error'],
    ['with an x25519 share of 31 bytes', set(51, shares(x25519.share(someKey.subarray(1)))), 'illegal_parameter'],
    ['with an x25519 share of small order', set(51, shares(x25519.share(new Uint8Array(32)))), 'illegal_parameter'],
    [
      'with a P-256 share that is no point',
      set(51, shares(concat(bytes('0017 0041 04'), new Uint8Array(64).fill(3)))),
      'illegal_parameter',
    ],
    [
      'with a compressed P-256 share',
      set(51, shares(concat(bytes('0017 0021 02'), new Uint8Array(32).fill(3)))),
      'illegal_parameter',
    ],
    ['with a short X25519MLKEM768 share', set(51, shares(bytes('11ec 0002 0102'))), 'illegal_parameter'],
    ['with two host names', set(0, bytes('0008 00 0001 61 00 0001 62')), 'decode_error'],
    ['with a host name of another kind', set(0, bytes('0004 01 0001 61')), 'decode_error'],
    ['with an empty host name', set(0, bytes('0003 00 0000')), 'decode_error'],
    ['with a NUL in the host name', set(0, bytes('0006 00 0003 610062')), 'decode_error'],
    ['with no protocol in its ALPN', set(16, bytes('0000')), 'decode_error'],
    ['with an empty protocol in its ALPN', set(16, bytes('0001 00')), 'decode_error'],
    ['with a record_size_limit of 63', set(28, bytes('003f')), 'illegal_parameter'],
    ['with an empty cookie', set(44, bytes('0000')), 'decode_error'],
    ['with no PSK mode', set(45, bytes('00')), 'decode_error'],
    ['with PSKs and no PSK modes', without(45), 'missing_extension', withPsk],
    [
      'with PSKs that are not the last extension',
      client(last => ({ extensions: [...last.extensions].reverse() })),
      'illegal_parameter',
      withPsk,
    ],
    ['with another binder', message => flipped(message.raw, -1), 'decrypt_error', withPsk],
    [
      'with more binders than PSKs',
      set(41, concat(bytes('0008 0002 6964 00000000 0042 20'), someKey, bytes('20'), someKey)),
      'illegal_parameter',
      withPsk,
    ],
    [
      'with a binder that is too short',
      set(41, concat(bytes('0008 0002 6964 00000000 0020 1f'), someKey.subarray(1))),
      'decrypt_error',
      withPsk,
    ],
    ['with PSKs for use without (EC)DHE alone', without(10, 13, 51), 'handshake_failure', withPsk],
  ]
  for (const [name, change, expected, options] of rows) {
    test(name, () => {
      assert.equal(answer('client', client_hello, change, options), expected)
    })
  }
})

/** The bytes with the last bit of one changed; counted from the end if negative. */
function flipped(message: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(message)
  const index = at < 0 ? message.length + at : at
  changed[index] = (changed[index] ?? 0) ^ 1
  return changed
}

describe('a ServerHello is refused', () => {
  const downgrade = (last: number): Change =>
    server(hello => ({
      random: concat(hello.random.subarray(0, 24), utf8('DOWNGRD'), Uint8Array.of(last)),
      extensions: hello.extensions.filter(({ type }) => type !== 43),
    }))
  const rows: readonly (readonly [string, Change, string, PairOptions?])[] = [
    ['of TLS 1.2', without(43), 'protocol_version'],
    ['of TLS 1.2 from a server that can speak TLS 1.3', downgrade(1), 'illegal_parameter'],
    ['of TLS 1.1 from a server that can speak TLS 1.3', downgrade(0), 'illegal_parameter'],
    ['that selects TLS 1.2 in supported_versions', set(43, bytes('0303')), 'illegal_parameter'],
    ['that selects a draft version', set(43, bytes('7f1c')), 'illegal_parameter'],
    ['with legacy_version 0x0304', server(() => ({ legacyVersion: 0x0304 })), 'illegal_parameter'],
    ['with another session ID', server(() => ({ legacySessionIdEcho: new Uint8Array(32) })), 'illegal_parameter'],
    ['with no session ID', server(() => ({ legacySessionIdEcho: EMPTY })), 'illegal_parameter'],
    ['with a cipher suite that was not offered', server(() => ({ cipherSuite: 0x1304 })), 'illegal_parameter'],
    ['with a cipher suite of TLS 1.2', server(() => ({ cipherSuite: 0xc02b })), 'illegal_parameter'],
    ['with compression', server(() => ({ legacyCompressionMethod: 1 })), 'decode_error'],
    ['without key_share', without(51), 'missing_extension'],
    ['with a share for a group without one of ours', set(51, bytes('0017 0001 04')), 'illegal_parameter'],
    ['with an x25519 share of small order', set(51, x25519.share(new Uint8Array(32))), 'illegal_parameter'],
    ['with an x25519 share of 33 bytes', set(51, x25519.share(new Uint8Array(33))), 'illegal_parameter'],
    ['with a PSK where none was offered', set(41, bytes('0000')), 'unsupported_extension'],
    ['with a PSK that was not offered', set(41, bytes('0001')), 'illegal_parameter', withPsk],
    [
      'with a PSK of another hash than the suite',
      server(() => ({ cipherSuite: 0x1302 })),
      'illegal_parameter',
      withPsk,
    ],
  ]
  for (const [name, change, expected, options] of rows) {
    test(name, () => {
      assert.equal(answer('server', server_hello, change, options), expected)
    })
  }
})

describe('a HelloRetryRequest is refused', () => {
  const retried = {
    client: { groups: [0x1d, 0x17], keyShareGroups: [0x1d] },
    server: { groups: [0x17] },
  } satisfies PairOptions
  const withCookie: PairOptions = { server: { retryCookie: () => utf8('cookie') } }
  const rows: readonly (readonly [string, Change, string, PairOptions])[] = [
    ['that changes nothing', without(51), 'illegal_parameter', retried],
    ['that asks for a share that was sent', set(51, bytes('001d')), 'illegal_parameter', retried],
    ['that asks for a group that was not offered', set(51, bytes('0018')), 'illegal_parameter', retried],
    ['with an empty cookie', set(44, bytes('0000')), 'decode_error', withCookie],
    ['without supported_versions', without(43), 'protocol_version', retried],
    ['with a suite that was not offered', server(() => ({ cipherSuite: 0x1305 })), 'illegal_parameter', retried],
    ['with another session ID', server(() => ({ legacySessionIdEcho: EMPTY })), 'illegal_parameter', retried],
  ]
  for (const [name, change, expected, options] of rows) {
    test(name, () => {
      assert.equal(answer('server', server_hello, change, options), expected)
    })
  }

  /** The alert against the second answer of the server. */
  function answerAfter(change: Change): string | undefined {
    let count = 0
    return alertAgainst(
      'server',
      {
        message(message) {
          if (message.type !== server_hello || ++count !== 2) return undefined
          return [change(message)]
        },
      },
      retried,
    )
  }

  test('that comes a second time', () => {
    const again = server(hello => ({
      random: HELLO_RETRY_REQUEST_RANDOM,
      extensions: [...hello.extensions.filter(({ type }) => type === 43), { type: 51, data: bytes('001d') }],
    }))
    assert.equal(answerAfter(again), 'unexpected_message')
  })

  test('and so is a ServerHello that does not keep to it', () => {
    assert.equal(answerAfter(server(() => ({ cipherSuite: 0x1302 }))), 'illegal_parameter')
    assert.equal(answerAfter(set(51, x25519.share(someKey))), 'illegal_parameter')
  })
})

describe('what the server says under protection is refused', () => {
  const { encrypted_extensions, certificate_request, certificate, certificate_verify } = HandshakeType
  const typed = { client: { peer: { certificateTypes: [2, 0], isAdvisory: false, check: () => undefined } } }
  const listed =
    (change: (value: Certificate) => Partial<Certificate>): Change =>
    message => {
      const value = decodeMessage(Certificate, message)
      return encodeMessage(certificate, Certificate, { ...value, ...change(value) })
    }
  const verify =
    (change: Partial<{ algorithm: number; signature: Uint8Array }>): Change =>
    message =>
      encodeMessage(certificate_verify, CertificateVerify, { ...decodeMessage(CertificateVerify, message), ...change })
  const entry = (data: Uint8Array) => ({ data, extensions: [] })
  const everything = kinds.everything()
  const rows: readonly (readonly [string, number, Change, string, PairOptions?])[] = [
    [
      'a protocol that was not offered',
      encrypted_extensions,
      set(16, bytes('0003 02 6833')),
      'illegal_parameter',
      everything,
    ],
    ['two protocols', encrypted_extensions, set(16, bytes('0006 02 6832 02 6832')), 'decode_error', everything],
    ['a record_size_limit of 63', encrypted_extensions, set(28, bytes('003f')), 'illegal_parameter', everything],
    ['a record_size_limit of 2^14+2', encrypted_extensions, set(28, bytes('4002')), 'illegal_parameter', everything],
    ['a server name of its own', encrypted_extensions, set(0, bytes('00')), 'decode_error'],
    ['early data that was not offered', encrypted_extensions, set(42, EMPTY), 'unsupported_extension'],
    ['a certificate type that was not offered', encrypted_extensions, set(20, bytes('01')), 'illegal_parameter', typed],
    ['a certificate type unasked', encrypted_extensions, set(20, bytes('02')), 'unsupported_extension'],
    ['a request without signature_algorithms', certificate_request, without(13), 'missing_extension', everything],
    [
      'a request with a context',
      certificate_request,
      ({ body }) => Uint8Array.of(13, 0, (body.length + 1) >> 8, body.length + 1, 1, 7, ...body.subarray(1)),
      'illegal_parameter',
      everything,
    ],
    ['no certificate', certificate, listed(() => ({ certificateList: [] })), 'decode_error'],
    [
      'a certificate with a context',
      certificate,
      listed(() => ({ certificateRequestContext: utf8('x') })),
      'illegal_parameter',
    ],
    [
      'a certificate that is none',
      certificate,
      listed(() => ({ certificateList: [entry(utf8('no DER'))] })),
      'decode_error',
    ],
    [
      'a certificate that is none behind one that is',
      certificate,
      listed(({ certificateList }) => ({ certificateList: [...certificateList, entry(utf8('no DER'))] })),
      'bad_certificate',
    ],
    ['a staple that is none', certificate, set(5, bytes('02 000001 00')), 'decode_error', everything],
    [
      'a signature with a scheme that was not offered',
      certificate_verify,
      verify({ algorithm: 0x0203 }),
      'illegal_parameter',
    ],
    [
      'a signature with a scheme for certificates',
      certificate_verify,
      verify({ algorithm: 0x0401 }),
      'illegal_parameter',
    ],
    [
      'a signature with a scheme for another key',
      certificate_verify,
      verify({ algorithm: 0x0804 }),
      'illegal_parameter',
    ],
    [
      'a signature with a scheme for another curve',
      certificate_verify,
      verify({ algorithm: 0x0503 }),
      'illegal_parameter',
    ],
    ['a signature of no length', certificate_verify, verify({ signature: EMPTY }), 'decrypt_error'],
    ['a signature that is none', certificate_verify, verify({ signature: new Uint8Array(64) }), 'decrypt_error'],
  ]
  for (const [name, type, change, expected, options] of rows) {
    test(`${name} (${messageName(type)})`, () => {
      assert.equal(answer('server', type, change, options), expected)
    })
  }
})

describe('what the client says under protection is refused', () => {
  const options = kinds.everything()
  test('a certificate with a context', () => {
    const change: Change = message => {
      const value = decodeMessage(Certificate, message)
      return encodeMessage(11, Certificate, { ...value, certificateRequestContext: utf8('x') })
    }
    assert.equal(answer('client', 11, change, options), 'illegal_parameter')
  })

  test('a staple that nobody asked for', () => {
    const staple = set(5, bytes('01 000001 00'))
    assert.equal(answer('client', 11, staple, options), 'unsupported_extension')
  })

  test('an empty Certificate with a CertificateVerify behind it', () => {
    const empty: Change = () => Uint8Array.of(11, 0, 0, 4, 0, 0, 0, 0)
    const optional = { ...options, server: { ...options.server, clientAuthentication: 'optional' as const } }
    assert.equal(answer('client', 11, empty, options), 'certificate_required')
    assert.equal(answer('client', 11, empty, optional), 'unexpected_message')
  })

  test('a Certificate that is longer than the server takes', () => {
    const small = { ...options, server: { ...options.server, maxCertificateLength: 100 } }
    assert.equal(
      answer('client', 11, ({ raw }) => raw, small),
      'illegal_parameter',
    )
  })
})

describe('GREASE is tolerated', () => {
  const grease: readonly RawExtension[] = [
    { type: 0x0a0a, data: EMPTY },
    { type: 0xfafa, data: Uint8Array.of(0) },
    { type: 0xfe0d, data: new Uint8Array(200) },
  ]
  /** A plug that does nothing but add to the ClientHello. */
  const greasing = testPlug({
    extensions: [],
    *offer({ clientCertificateTypes, serverCertificateTypes }) {
      return { extensions: grease, clientCertificateTypes, serverCertificateTypes }
    },
  })

  test('in suites, groups, signature schemes, protocols and extensions of a ClientHello', async () => {
    const odd = String.fromCharCode(0x1a, 0x1a)
    const pair = await connectedPair({
      client: {
        plug: greasing,
        cipherSuites: [0x5a5a, 0x1301],
        groups: [0x2a2a, 0x1d],
        signatureSchemes: [0x0a0b, 0x0403],
        certificateSchemes: [0x7a7a, 0x0403],
        alpn: [odd, 'h2'],
      },
      server: { alpn: ['h2'] },
    })
    assert.equal(pair.server.established.alpn, 'h2')
  })

  test('in the key shares and versions of a ClientHello, up to the signature over it', () => {
    const share = set(51, shares(bytes('2a2a 0001 00'), x25519.share(someKey)))
    const both: Change = message => {
      const raw = share(message)
      const again = { type: 1, raw, body: raw.subarray(4) }
      const groups = set(10, bytes('0004 2a2a 001d'))(again)
      return set(43, bytes('06 3a3a 0304 0303'))({ type: 1, raw: groups, body: groups.subarray(4) })
    }
    let isDone = false
    const complaint = complaintAfter(message => {
      if (isDone || message.type !== 1) return undefined
      isDone = true
      return [both(message)]
    })
    // The server has taken it and goes on, with keys of its own.
    assert.equal(complaint, 'ERR_TLS_BAD_RECORD_MAC')
  })
})

/** What the client complains of when the server has been given something else. */
function complaintAfter(message: (message: Message) => readonly Uint8Array[] | undefined): string | undefined {
  const pair = makePair({ intercept: { client: { message } } })
  pair.runAtOnce()
  return (pair.client.error as { code?: string } | undefined)?.code
}
