import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, describe } from 'node:test'
import { measured, SimulatedAttester, SimulatedRoot } from '#src/attester/index.js'
import { hex, utf8 } from '#src/bytes/index.js'
import { hash } from '#src/crypto/index.js'
import { createHttpsServer, createServer, type ServerOptions } from '#src/node/index.js'
import { encodeCmwExtension, ID_PE_CMW } from '#src/rats/index.js'
import { FakeAttester } from '../attestation/support.js'
import { root as authority, listen, serverOptions } from '../node/support.js'
import { draft08 } from '../support/draft08.js'
import { repositoryRoot } from '../support/skip.js'

/*
 * The program, as a person or a script runs it.
 */

const folder = mkdtempSync(join(tmpdir(), 'attested-tls-cli-'))
after(() => rmSync(folder, { recursive: true }))

const root = SimulatedRoot.create({ now: Date.now() })
const workload = measured('workload', utf8('my service 1.0'))
const attester = new SimulatedAttester({ platform: root.issue('laptop'), components: [workload] })

const files = {
  ca: written('ca.pem', authority.pem),
  root: written('root.pem', root.pem),
  sound: written('sound.json', policyFor(hex(workload.measurement))),
  other: written('other.json', policyFor('00'.repeat(32))),
  open: written(
    'open.json',
    JSON.stringify({ version: 1, platforms: [{ kind: 'simulated', dangerouslyAcceptAnyMeasurement: true }] }),
  ),
  wrong: written('wrong.json', '{ "version": 1,\n  "platfroms": [] }'),
}

function written(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function policyFor(measurement: string): string {
  const platforms = [{ kind: 'simulated', measurements: [{ name: 'release 1.0', values: { workload: measurement } }] }]
  return JSON.stringify({ version: 1, name: 'my service', platforms }, null, 2)
}

interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const program = join(repositoryRoot, 'build', 'apps', 'cli', 'main.js')

/** Runs the program to its end. */
function run(...args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [program, ...args], { env: { ...process.env, NO_COLOR: '1' } })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ code, out, err }))
  })
}

const trusting = ['--ca', files.ca, '--servername', 'localhost']
const risks = ['--accept-draft08-risks', 'relay,replay']
const appraising = [
  ...trusting,
  '--profile',
  'draft08',
  ...risks,
  '--root',
  `simulated=${files.root}`,
  '--trust-simulated',
]
const attesting: ServerOptions = { ...serverOptions, attestation: { ...draft08, attester } }

describe('attested-tls inspect', { concurrency: true }, () => {
  test('shows what a peer proves, and ends with 0', async t => {
    const port = await listen(t, createServer(attesting))
    const { code, out, err } = await run('inspect', `127.0.0.1:${port}`, ...appraising, '--policy', files.sound)
    assert.equal(code, 0, err)
    assert.match(out, /^certificate {2}CN=localhost$/m)
    assert.match(out, /^trusted +yes$/m)
    assert.match(out, /^agreed on +background-check, x509, profile draft08$/m)
    assert.match(out, /^Evidence +application\/cmw\+cbor.*, \d+ bytes$/m)
    assert.match(out, /^attested +yes$/m)
    assert.match(out, /^bound +level 2, /m)
    assert.match(out, /^yes +measurement +release 1.0/m)
    assert.match(out, /SIMULATED/)
    assert.match(err, /SIMULATED platforms are trusted/)
  })

  test('tells programs the same', async t => {
    const port = await listen(t, createServer(attesting))
    const { code, out } = await run('inspect', `127.0.0.1:${port}`, ...appraising, '--policy', files.sound, '--json')
    const findings = JSON.parse(out)
    assert.equal(code, 0)
    assert.equal(findings.exitCode, 0)
    assert.equal(findings.protocol, 'TLSv1.3')
    assert.equal(findings.certificate.subject, 'CN=localhost')
    assert.equal(findings.isAuthorized, true)
    assert.equal(findings.attestation.bindingLevel, 2)
    assert.equal(findings.attestation.peer.result.submodules.simulated.status, 'affirming')
    assert.equal(findings.error, null)
  })

  test('ends with 2 when the policy is against the peer, and says what was measured', async t => {
    const port = await listen(t, createServer(attesting))
    const { code, out } = await run('inspect', `127.0.0.1:${port}`, ...appraising, '--policy', files.other)
    assert.equal(code, 2)
    assert.match(out, /^attested +NO$/m)
    assert.match(out, /^NO +measurement/m)
    assert.match(out, /ERR_ATTESTATION_REFUSED/)
  })

  test('ends with 2 when the peer does not attest', async t => {
    const port = await listen(t, createServer(serverOptions))
    const { code, out } = await run('inspect', `127.0.0.1:${port}`, ...appraising, '--policy', files.sound)
    assert.equal(code, 2)
    assert.match(out, /^attested +NO: the server does not attest$/m)
  })

  test('ends with 2 when nobody whom we trust has signed the certificate', async t => {
    const port = await listen(t, createServer(attesting))
    const others = [
      '--profile',
      'draft08',
      ...risks,
      '--root',
      `simulated=${files.root}`,
      '--trust-simulated',
      '--policy',
      files.sound,
    ]
    const refused = await run('inspect', `localhost:${port}`, ...others)
    assert.equal(refused.code, 2)
    assert.match(refused.out, /^trusted +NO: /m)
    assert.match(refused.out, /^attested +yes$/m)
    assert.equal((await run('inspect', `localhost:${port}`, ...others, '--insecure')).code, 0)
  })

  test('ends with 2 when the certificate is for another name', async t => {
    const port = await listen(t, createServer(attesting))
    const others = ['--ca', files.ca, '--servername', 'other.example', ...appraising.slice(trusting.length)]
    const { code, out } = await run('inspect', `127.0.0.1:${port}`, ...others, '--policy', files.sound)
    assert.equal(code, 2)
    assert.match(out, /^trusted +NO: .*other\.example/m)
  })

  test('ends with 3 without a policy, and shows certificate and Evidence all the same', async t => {
    const port = await listen(t, createServer(attesting))
    const { code, out } = await run('inspect', `127.0.0.1:${port}`, ...trusting)
    assert.equal(code, 3)
    assert.match(out, /^certificate {2}CN=localhost$/m)
    assert.match(out, /^agreed on +background-check, x509, profile draft08$/m)
    assert.match(out, /^Evidence +application\/cmw\+cbor.*, \d+ bytes$/m)
    assert.match(out, /^attested +NO$/m)
    assert.match(out, /there is no policy to appraise it by; give --policy/)
  })

  test('asks for every type of Evidence where there is no policy, whatever the profile', async t => {
    const hardened: ServerOptions = { ...serverOptions, attestation: { profile: 'hardened', attester } }
    const port = await listen(t, createServer(hardened))
    const { code, out } = await run('inspect', `127.0.0.1:${port}`, ...trusting)
    assert.equal(code, 3)
    assert.match(out, /^Evidence +application\/eat\+cwt; eat_profile=.*simulated-platform.*, \d+ bytes$/m)
    const strange: ServerOptions = {
      ...serverOptions,
      attestation: { ...draft08, attester: new FakeAttester() },
    }
    const other = await listen(t, createServer(strange))
    // Who only looks accepts no risk.
    const unknown = await run('inspect', `127.0.0.1:${other}`, ...trusting, '--profile', 'draft08')
    assert.equal(unknown.code, 3)
    assert.match(unknown.out, /^trusted +yes$/m)
    assert.match(unknown.out, /^attested +NO: it has no Evidence of a type that is known here$/m)
  })

  test('says that a server does not attest where there is no policy either', async t => {
    const port = await listen(t, createServer(serverOptions))
    const { code, out } = await run('inspect', `127.0.0.1:${port}`, ...trusting)
    assert.equal(code, 3)
    assert.match(out, /^attested +NO: the server does not attest$/m)
  })

  test('finds Evidence in the certificate, and takes it where it is told to', async t => {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const spki = Uint8Array.from(keys.publicKey.export({ format: 'der', type: 'spki' }))
    const [type = ''] = attester.evidenceTypes
    const { signal } = new AbortController()
    const key = { spki, id: hash('sha256', spki) }
    const message = await attester.evidence({ type, challenge: new Uint8Array(32).fill(1), key, signal })
    const extraExtensions = [{ oid: ID_PE_CMW, value: encodeCmwExtension(message) }]
    const notBefore = new Date(Date.now() - 60_000)
    const { pem, keyPem } = authority.issue({
      subject: 'enclave',
      dnsNames: ['localhost'],
      keys,
      notBefore,
      extraExtensions,
    })
    const port = await listen(t, createServer({ cert: pem, key: keyPem }))
    const target = `127.0.0.1:${port}`
    const strict = await run('inspect', target, ...appraising, '--policy', files.sound)
    assert.equal(strict.code, 2)
    assert.match(strict.out, /with Evidence in it \(cmw\): application\/cmw\+cbor/)
    const lenient = await run(
      'inspect',
      target,
      ...appraising,
      '--policy',
      files.sound,
      '--certificate-evidence',
      '600',
    )
    assert.equal(lenient.code, 0, lenient.err)
    assert.match(lenient.out, /^agreed on +nothing: the Evidence stands in the certificate$/m)
    assert.match(lenient.out, /^bound +level 1, the proof is bound to a key/m)
  })

  test('ends with 4 when there is nobody', async t => {
    const server = createServer(serverOptions)
    const port = await listen(t, server)
    await new Promise(resolve => server.close(resolve))
    const { code, out } = await run('inspect', `127.0.0.1:${port}`, ...trusting)
    assert.equal(code, 4)
    assert.match(out, /ECONNREFUSED/)
    server.listen(0)
  })

  test('ends with 1 when it is called wrongly', async () => {
    const wrong: readonly (readonly [args: readonly string[], complaint: RegExp])[] = [
      [['inspect', 'host:99999'], /no HOST or HOST:PORT/],
      [['inspect', 'localhost', '--policy', join(folder, 'none.json')], /cannot be read/],
      [['inspect', 'localhost', '--policy', files.wrong], /wrong.json:2:16: /],
      [['inspect', 'localhost', '--policy', files.sound, '--root', 'simulated'], /KIND=FILE/],
      [['inspect', 'localhost', '--credential', 'x508'], /x509, attestation-only/],
      [['inspect', 'localhost', '--expect-key', 'ff'], /32 bytes in hex/],
      [
        ['inspect', 'localhost', '--policy', files.sound, '--profile', 'draft08', '--accept-draft08-risks', 'replay'],
        /acceptDraft08Risks: \['relay'\].*\(relay: /,
      ],
      [['inspect', 'localhost', '--timeout', '0'], /whole number/],
      [['get', 'http://localhost/'], /no https URL/],
    ]
    for (const [args, complaint] of wrong) {
      const { code, err } = await run(...args)
      assert.equal(code, 1, args.join(' '))
      assert.match(err, complaint)
    }
  })
})

describe('attested-tls get', { concurrency: true }, () => {
  const serve = (t: test.TestContext) =>
    listen(
      t,
      createHttpsServer(attesting, (_request, response) => response.end('hello\n')),
    )

  test('writes the page to standard output, and what was proved to standard error', async t => {
    const port = await serve(t)
    const { code, out, err } = await run('get', `https://127.0.0.1:${port}/`, ...appraising, '--policy', files.sound)
    assert.equal(code, 0, err)
    assert.equal(out, 'hello\n')
    assert.match(err, /attested: true, binding level 2, SIMULATED/)
  })

  test('writes nothing from a server that is refused', async t => {
    const port = await serve(t)
    const { code, out, err } = await run('get', `https://127.0.0.1:${port}/`, ...appraising, '--policy', files.other)
    assert.equal(code, 2)
    assert.equal(out, '')
    assert.match(err, /measurement.*ERR_ATTESTATION_REFUSED/)
  })
})

describe('attested-tls policy check', () => {
  test('says what a policy comes to', async () => {
    const { code, out } = await run('policy', 'check', files.sound)
    assert.equal(code, 0)
    assert.match(out, /is a policy, my service\n {2}simulated: 1 set of measurements\n {2}digest [0-9a-f]{64}\n$/)
    const { out: json } = await run('policy', 'check', files.sound, '--json')
    assert.deepEqual(JSON.parse(json).platforms, [{ kind: 'simulated', measurements: 1 }])
  })

  test('says what a policy leaves open', async () => {
    const { out } = await run('policy', 'check', files.open)
    assert.match(out, /simulated: no measurements\n.*\nwhat it leaves open:\n {2}simulated: any software will do\n$/)
    const { out: json } = await run('policy', 'check', files.open, '--json')
    assert.deepEqual(JSON.parse(json).remarks, ['simulated: any software will do'])
  })

  test('says where one is none', async () => {
    const { code, err } = await run('policy', 'check', files.wrong)
    assert.equal(code, 1)
    assert.match(err, /wrong\.json:2:16: platfroms .*ERR_POLICY/)
  })
})

test('attested-tls ends in silence when nobody reads on', async () => {
  const child = spawn(process.execPath, [program, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let err = ''
  child.stderr.on('data', chunk => {
    err += chunk
  })
  const code = await new Promise(resolve => child.on('close', resolve))
  assert.equal(err, '')
  assert.equal(code, 0)
})

test('attested-tls --help says what the exit codes mean, and ends with 0', async () => {
  const { code, out } = await run('--help')
  assert.equal(code, 0)
  assert.match(out, /Exit codes: 0 fine; 1 /)
})
