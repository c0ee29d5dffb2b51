import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimulatedAmd, SimulatedSnpAttester } from '#src/attester/index.js'
import { concat, hex, utf8 } from '#src/bytes/index.js'
import {
  type EndorsementNeed,
  FixedEndorsements,
  FixedSnpEndorsements,
  kdsPath,
  readKdsAnswer,
  snpPlatform,
} from '#src/evidence/index.js'
import type { Cmw } from '#src/rats/index.js'
import { combinedEndorsements, KdsEndorsements, type KdsOptions, Policy } from '#src/verifier/index.js'
import { appraise, failures, NOON, verifierOf } from '../support/simulated.js'

const DAY = 86_400_000
const amd = new SimulatedAmd({ now: NOON, line: 'genoa' })
const platform = amd.platform({ tcb: { bootloader: 10, tee: 0, snp: 23, microcode: 84 } })
const [vcek = new Uint8Array(0), ask = new Uint8Array(0)] = platform.chain
const list = amd.revocationList({ issuedAt: NOON - DAY })
const measurement = new Uint8Array(48).fill(7)
const chip = hex(platform.fields.chipId)
const vcekPath = `/vcek/v1/Genoa/${chip}?blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=84`
const pem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`

/** A key distribution service that knows this platform. */
function service(changes: Readonly<Record<string, Uint8Array | number>> = {}) {
  const asked: string[] = []
  const warnings: string[] = []
  const answers: Readonly<Record<string, Uint8Array | number>> = {
    [vcekPath]: vcek,
    '/vcek/v1/Genoa/cert_chain': utf8(pem(ask) + amd.rootPem),
    '/vcek/v1/Genoa/crl': list,
    ...changes,
  }
  const options: KdsOptions = {
    url: 'https://kds.example/',
    fetch: async url => {
      const path = url.slice('https://kds.example'.length)
      asked.push(path)
      const answer = answers[path] ?? 404
      return typeof answer === 'number' ? new Response(null, { status: answer }) : new Response(Uint8Array.from(answer))
    },
    now: () => NOON,
    timeout: () => new AbortController().signal,
    warn: sentence => warnings.push(sentence),
  }
  return { source: new KdsEndorsements(options), asked, warnings }
}

const policy = Policy.from({
  version: 1,
  platforms: [{ kind: 'sev-snp', measurements: [{ values: { launch: hex(measurement) } }] }],
})
const roots = { 'sev-snp': [amd.rootPem] }
const attester = new SimulatedSnpAttester(platform, { version: 3, measurement })

/** The same without the certificates that the host gives. */
function bare(message: Cmw): Cmw {
  if (message.kind === 'record') return message
  return { ...message, entries: new Map([...message.entries].filter(([label]) => label !== 'certificates')) }
}

describe('what an SEV-SNP report asks AMD for', () => {
  const needsOf = (evidence: Uint8Array) => snpPlatform.needs?.(snpPlatform.decode(evidence)).map(({ kind }) => kind)
  const report = platform.report({ version: 3, measurement })

  test('is its own certificate, that of the issuer, and the revocation list', () => {
    assert.deepEqual(needsOf(report), ['sev-snp-vcek', 'sev-snp-issuer', 'sev-snp-crl'])
  })

  test('is the revocation list alone, where the host has given the others', () => {
    assert.deepEqual(needsOf(concat(report, platform.certificateTable)), ['sev-snp-crl'])
  })

  test('is no certificate of a masked chip or of an operator, which nobody could ask for', () => {
    const masked = platform.report({ version: 3, measurement, isChipMasked: true })
    assert.deepEqual(needsOf(masked), ['sev-snp-issuer', 'sev-snp-crl'])
    const operated = amd.operatedPlatform({ operator: 'CN=example' }).report({ version: 3, measurement })
    assert.deepEqual(needsOf(operated), ['sev-snp-issuer', 'sev-snp-crl'])
  })

  test('of a report that does not name its processor is known by the certificate that came with it', () => {
    const old = platform.report({ version: 2, measurement })
    assert.deepEqual(needsOf(old), [])
    assert.deepEqual(needsOf(concat(old, platform.certificateTable)), ['sev-snp-crl'])
  })
})

describe('AMD’s key distribution service', () => {
  const need = (kind: string, parameters: EndorsementNeed['parameters']): EndorsementNeed => ({ kind, parameters })
  const vcekNeed = need('sev-snp-vcek', { line: 'genoa', chip, tcb: '0a00000000001754' })
  const issuerNeed = need('sev-snp-issuer', { line: 'genoa', key: 'vcek' })
  const listNeed = need('sev-snp-crl', { line: 'genoa' })

  test('is asked as AMD says', () => {
    assert.equal(kdsPath(vcekNeed), vcekPath)
    assert.equal(kdsPath(need('sev-snp-issuer', { line: 'milan', key: 'vlek' })), '/vlek/v1/Milan/cert_chain')
    assert.equal(kdsPath(listNeed), '/vcek/v1/Genoa/crl')
    const turin = { line: 'turin', chip: '59790fb1c39f35c1', tcb: '0101010400000051' }
    assert.equal(
      kdsPath(need('sev-snp-vcek', turin)),
      '/vcek/v1/Turin/59790fb1c39f35c1?fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=81',
    )
  })

  test('is not asked for what has not the form of its kind', () => {
    const { line, tcb } = { line: 'genoa', tcb: '0a00000000001754' }
    for (const parameters of [
      { line: 'rome', chip, tcb },
      { line, chip: chip.slice(2), tcb },
      { line, chip: `${chip.slice(2)}/.`, tcb },
      { line, chip, tcb: '0a00000100001754' },
      { line, chip, tcb: '0a' },
    ]) {
      assert.equal(kdsPath(need('sev-snp-vcek', parameters)), undefined)
    }
    assert.equal(kdsPath(need('sev-snp-issuer', { line, key: 'ark' })), undefined)
    assert.equal(kdsPath(need('dcap-tcb-info', { line })), undefined)
  })

  test('is not believed when it answers with something else', () => {
    const other = amd.platform({ name: 'another', tcb: platform.fields.tcb }).chain[0] ?? vcek
    const newer = amd.platform({ tcb: { ...platform.fields.tcb, microcode: 85 } }).chain[0] ?? vcek
    for (const body of [other, newer, ask, utf8('nothing')]) assert.throws(() => readKdsAnswer(vcekNeed, body))
    assert.equal(readKdsAnswer(vcekNeed, vcek).issuedAt, NOON - 365 * DAY)
    for (const body of [utf8(amd.rootPem), utf8('nothing')]) assert.throws(() => readKdsAnswer(issuerNeed, body))
    const milan = new SimulatedAmd({ now: NOON })
    for (const body of [milan.revocationList({ issuedAt: NOON }), utf8('nothing')]) {
      assert.throws(() => readKdsAnswer(listNeed, body))
    }
    assert.equal(readKdsAnswer(listNeed, list).nextUpdate, NOON + 29 * DAY)
    assert.throws(() => readKdsAnswer(need('dcap-tcb-info', {}), list))
  })
})

describe('a Verifier with AMD’s key distribution service', () => {
  test('gets what the host does not give, once', async () => {
    const { source, asked } = service()
    const verifier = verifierOf({ policy, roots, endorsements: source })
    for (let i = 0; i < 3; i++) {
      const result = await appraise({ attester, verifier }, bare)
      assert.deepEqual(failures(result), [])
      assert.ok(result.isAccepted, result.problem)
    }
    assert.deepEqual(asked.sort(), ['/vcek/v1/Genoa/cert_chain', '/vcek/v1/Genoa/crl', vcekPath])
    assert.equal(source.status.length, 3)
  })

  test('asks for the revocation list alone, where the host gives the rest', async () => {
    const { source, asked } = service()
    const result = await appraise({ attester, verifier: verifierOf({ policy, roots, endorsements: source }) })
    assert.ok(result.isAccepted, result.problem)
    assert.deepEqual(asked, ['/vcek/v1/Genoa/crl'])
  })

  test('refuses what AMD has revoked', async () => {
    const revoked = amd.revocationList({ issuedAt: NOON, revoked: ['VCEK'] })
    const { source } = service({ '/vcek/v1/Genoa/crl': revoked })
    const result = await appraise({ attester, verifier: verifierOf({ policy, roots, endorsements: source }) })
    assert.deepEqual(failures(result), ['revocation'])
  })

  for (const path of [vcekPath, '/vcek/v1/Genoa/cert_chain', '/vcek/v1/Genoa/crl']) {
    test(`cannot appraise without ${path.split('?')[0]?.replace(chip, 'the certificate')}, which says nothing against the platform`, async () => {
      const { source, warnings } = service({ [path]: 429 })
      const verifier = verifierOf({ policy, roots, endorsements: source })
      const result = await appraise({ attester, verifier }, bare)
      assert.deepEqual([result.status, result.problemCode], ['none', 'ERR_ENDORSEMENT_MISSING'])
      assert.match(warnings.join(), /429/)
    })
  }

  test('cannot appraise with a revocation list that has expired', async () => {
    const old = amd.revocationList({ issuedAt: NOON - 90 * DAY })
    const { source } = service({ '/vcek/v1/Genoa/crl': old })
    const result = await appraise({ attester, verifier: verifierOf({ policy, roots, endorsements: source }) })
    assert.deepEqual([result.status, result.problemCode], ['none', 'ERR_ENDORSEMENT_EXPIRED'])
  })

  test('does without it where all was carried there in PEM', async () => {
    const crl = `-----BEGIN X509 CRL-----\n${Buffer.from(list).toString('base64')}\n-----END X509 CRL-----\n`
    const sevSnp = FixedSnpEndorsements.fromPem(`${pem(vcek)}${pem(ask)}${amd.rootPem}${crl}`)
    const endorsements = new FixedEndorsements({ sevSnp })
    const result = await appraise({ attester, verifier: verifierOf({ policy, roots, endorsements }) }, bare)
    assert.ok(result.isAccepted, result.problem)
    assert.ok(result.checks.some(({ name }) => name === 'revocation'))
    assert.throws(() => FixedSnpEndorsements.fromPem(crl.replace('END', 'NED')), { code: 'ERR_X509_MALFORMED' })
  })

  test('has it beside other sources', async () => {
    const endorsements = combinedEndorsements([new FixedEndorsements(), service().source])
    const result = await appraise({ attester, verifier: verifierOf({ policy, roots, endorsements }) }, bare)
    assert.ok(result.isAccepted, result.problem)
  })
})

test('a secret of an instance is found through combined sources', () => {
  const secret = { kind: 'psa', id: Uint8Array.of(1), secret: new Uint8Array(32) }
  const sources = [new FixedEndorsements(), new FixedEndorsements({ instanceSecrets: [secret] })]
  const gathered = combinedEndorsements(sources).gather([], { at: NOON, signal: new AbortController().signal })
  assert.ok(!(gathered instanceof Promise))
  assert.deepEqual(gathered.instanceKeys.secretOf?.('psa', Uint8Array.of(1)), secret.secret)
  assert.equal(gathered.instanceKeys.secretOf?.('psa', Uint8Array.of(2)), undefined)
})
