import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { SimulatedAmd, SimulatedIntel } from '#src/attester/index.js'
import { snpPlatform, tdxPlatform } from '#src/evidence/index.js'
import { amdCollateral, collateralFolder, intelCollateral } from '#src/node/index.js'

const now = Date.now()
const intel = new SimulatedIntel({ now })
const collateral = intel.collateral({ tee: 'tdx', issuedAt: now - 3_600_000 })
const needs = tdxPlatform.needs?.(tdxPlatform.decode(intel.platform().tdxQuote({}))) ?? []
const { signal } = new AbortController()

/** A PCCS on loopback, for as long as `use` takes. */
async function withPccs(use: (url: string, asked: readonly string[]) => Promise<void>): Promise<void> {
  const asked: string[] = []
  const server = createServer(({ url = '' }, response) => {
    asked.push(url)
    const chain = (pem: unknown) => encodeURIComponent(String(pem))
    if (url.includes('/tcb?')) {
      response.setHeader('TCB-Info-Issuer-Chain', chain(collateral.tcbInfoIssuerChain)).end(collateral.tcbInfo)
    } else if (url.endsWith('/qe/identity')) {
      const pem = chain(collateral.qeIdentityIssuerChain)
      response.setHeader('SGX-Enclave-Identity-Issuer-Chain', pem).end(collateral.qeIdentity)
    } else if (url.includes('/pckcrl?')) response.end(collateral.pckCrl)
    else if (url.endsWith('/rootcacrl')) response.end(Buffer.from(collateral.rootCrl).toString('hex'))
    else response.writeHead(404).end()
  })
  await listening(server, url => use(url, asked))
}

/** Has a server on loopback, for as long as `use` takes. */
async function listening(server: Server, use: (url: string) => Promise<void>): Promise<void> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address && typeof address === 'object')
  try {
    await use(`http://127.0.0.1:${address.port}`)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'collateral-'))
  try {
    await use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('Intel’s collateral in Node', () => {
  test('comes from a PCCS, and after a restart from the folder', async () => {
    await withFolder(folder =>
      withPccs(async (url, asked) => {
        const options = { url, rootCrlUrl: `${url}/sgx/certification/v4/rootcacrl`, folder: join(folder, 'new') }
        for (let start = 0; start < 2; start++) {
          const endorsements = await intelCollateral(options).gather(needs, { at: now, signal })
          assert.ok(endorsements.dcap?.tcbInfo('tdx', '53494d554c41')?.isSigned)
          assert.ok(endorsements.dcap?.rootCrl())
        }
        assert.equal(asked.length, 4)
        assert.equal(readdirSync(join(folder, 'new')).length, 4)
      }),
    )
  })

  test('is missing where nobody answers, and the reason is told', async () => {
    const warnings: string[] = []
    const url = await new Promise<string>(resolve => void withPccs(async free => resolve(free)))
    const source = intelCollateral({ url, rootCrlUrl: `${url}/root`, warn: sentence => warnings.push(sentence) })
    const endorsements = await source.gather(needs, { at: now, signal })
    assert.equal(endorsements.dcap?.rootCrl(), undefined)
    assert.equal(warnings.length, 4)
  })
})

describe('a folder of collateral', () => {
  test('gives back what was written last, and nothing for what never was', async () => {
    await withFolder(async folder => {
      const store = collateralFolder(folder)
      assert.equal(await store.read('../a'), undefined)
      await Promise.all([1, 2, 3].map(byte => store.write('../a', Uint8Array.of(byte))))
      await store.write('../a', Uint8Array.of(4))
      assert.deepEqual([...((await store.read('../a')) ?? [])], [4])
      assert.equal(readdirSync(folder).length, 1)
    })
  })
})

describe('AMD’s certificates in Node', () => {
  const amd = new SimulatedAmd({ now })
  const platform = amd.platform()
  const [vcek, ask] = platform.chain
  const snpNeeds = snpPlatform.needs?.(snpPlatform.decode(platform.report({}))) ?? []

  test('come from the service, and after a restart from the folder', async () => {
    const asked: string[] = []
    const server = createServer(({ url = '' }, response) => {
      asked.push(url)
      if (url.endsWith('/cert_chain')) response.end(new X509Certificate(ask ?? '').toString() + amd.rootPem)
      else if (url.endsWith('/crl')) response.end(amd.revocationList({ issuedAt: now - 3_600_000 }))
      else if (url.includes(Buffer.from(platform.fields.chipId).toString('hex'))) response.end(vcek)
      else response.writeHead(404).end()
    })
    await withFolder(folder =>
      listening(server, async url => {
        for (let start = 0; start < 2; start++) {
          const { sevSnp } = await amdCollateral({ url, folder }).gather(snpNeeds, { at: now, signal })
          assert.ok(sevSnp?.issuerCertificate('milan', 'VCEK'))
          assert.ok(sevSnp?.revocationList('milan'))
          const { chipId, reportedTcb } = snpPlatform.decode(platform.report({})).report
          assert.ok(sevSnp?.signingCertificate({ line: 'milan', kind: 'VCEK', chipId, reportedTcb }))
        }
        assert.equal(asked.length, 3)
      }),
    )
  })
})
