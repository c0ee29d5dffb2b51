import { spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SimulatedIntel } from 'attested-tls/attester'
import {
  bareReport,
  type DcapCollateral,
  type DcapTee,
  FixedDcapEndorsements,
  FixedEndorsements,
  RootsByKind,
  sgxQuotes,
  tdxQuotes,
} from 'attested-tls/evidence'
import { Policy } from 'attested-tls/verifier'
import { median, spread } from './statistics.js'

/*
 * Full appraisals of Intel quotes with warm collateral, in turn with @phala/dcap-qvl, which is installed into a
 * temporary folder for it: the same quotes, collateral, root and time for both. Quotes differ from call to call, so
 * that nobody can answer from memory. The floor is what two P-256 signatures cost: that of the quote, and that of the
 * Quoting Enclave's report, which is the same for all quotes of a platform and so is checked once here.
 */

const PEER = '@phala/dcap-qvl@0.3.9'
const QUOTES = 64

/** Does one of them, the `i`th quote. @throws if it is not accepted */
type Appraise = (i: number) => void

/** Measures quotes of both kinds, and prints a line for each. Where the other package cannot be installed, that is said
 *  aloud, and only the floor stands beside ours. */
export function compareDcap({
  rounds,
  seconds,
  json,
}: {
  readonly rounds: number
  readonly seconds: number
  readonly json: boolean
}): void {
  const folder = mkdtempSync(join(tmpdir(), 'bench-dcap-'))
  try {
    const peer = installPeer(folder)
    for (const tee of ['tdx', 'sgx'] as const) {
      const sides = sidesFor(tee, peer)
      const rates: Record<keyof typeof sides, number[]> = { ours: [], peer: [], floor: [] }
      // The first round warms up and does not count.
      for (let round = 0; round <= rounds; round++) {
        for (const name of ['ours', 'peer', 'floor'] as const) {
          const side = sides[name]
          if (!side) continue
          const rate = rateOf(side, seconds)
          if (round > 0) rates[name].push(rate)
        }
      }
      if (json) console.log(JSON.stringify({ name: `dcap-${tee}`, unit: 'appraisals/s', ...rates }))
      else console.log(row(tee, rates))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function row(
  tee: DcapTee,
  { ours, peer, floor }: Readonly<Record<'ours' | 'peer' | 'floor', readonly number[]>>,
): string {
  const rate = (values: readonly number[]) => `${median(values).toFixed(0)}/s ±${(spread(values) * 100).toFixed(0)} %`
  const floorText = `P-256 and P-256 alone ${rate(floor)}`
  if (peer.length === 0) return `dcap     ${tee} quote ${rate(ours)}; ${floorText}`
  const ratio = (median(ours) / median(peer)).toFixed(1)
  return `dcap     ${tee} quote ${rate(ours)}; ${PEER} ${rate(peer)}: ${ratio}×, goal ≥ 10×; ${floorText}`
}

function rateOf(appraise: Appraise, seconds: number): number {
  const start = performance.now()
  const end = start + seconds * 1000
  let count = 0
  while (performance.now() < end) appraise(count++ % QUOTES)
  return (count * 1000) / (performance.now() - start)
}

function sidesFor(
  tee: DcapTee,
  peer: Peer | null,
): Readonly<Record<'ours' | 'floor', Appraise> & { peer: Appraise | null }> {
  const now = Date.now()
  const intel = new SimulatedIntel({ now })
  const platform = intel.platform()
  const collateral = intel.collateral({ tee, issuedAt: now - 3_600_000 })
  const fields = Array.from({ length: QUOTES }, (_, i) => createHash('sha512').update(String(i)).digest())
  const quotes = fields.map(reportData =>
    tee === 'tdx' ? platform.tdxQuote({ reportData }) : platform.sgxQuote({ reportData }),
  )
  return {
    ours: ours(tee, intel.rootPem, collateral, quotes, fields, now),
    peer: peer && theirs(peer, intel.rootPem, collateral, quotes, now),
    floor: twoSignatures(),
  }
}

function ours(
  tee: DcapTee,
  rootPem: string,
  collateral: DcapCollateral,
  quotes: readonly Uint8Array[],
  fields: readonly Uint8Array[],
  at: number,
): Appraise {
  const format = tee === 'tdx' ? bareReport(tdxQuotes) : bareReport(sgxQuotes)
  const policy = Policy.from({ version: 1, platforms: [{ kind: tee, dangerouslyAcceptAnyMeasurement: true }] })
  const inputs = {
    roots: new RootsByKind({ [tee]: [rootPem] }),
    endorsements: new FixedEndorsements({ dcap: new FixedDcapEndorsements([collateral]) }),
    referenceValues: policy.referenceValues({ trustsSimulatedPlatforms: true }),
    key: null,
    at,
  }
  const [type = ''] = format.mediaTypes
  return i => {
    const [value = new Uint8Array(0), challenge = new Uint8Array(0)] = [quotes[i], fields[i]]
    const { checks } = format.appraise({ kind: 'record', type, value }, { ...inputs, challenge })
    const failure = checks.find(({ passed }) => !passed)
    if (failure) throw new Error(`we do not accept the quote: ${failure.name} is ${failure.actual}`)
  }
}

/** As much of the package as is used here. */
interface Peer {
  readonly QuoteVerifier: new (
    rootCaDer: Uint8Array,
  ) => {
    verify(quote: Uint8Array, collateral: unknown, nowSeconds: number): { readonly status: string }
  }
}

/** Installs the package, and runs nothing that it wants to run while it is installed; null if it is not to be had. */
function installPeer(folder: string): Peer | null {
  const args = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', PEER]
  const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8' })
  if (status !== 0) {
    console.error(
      `SKIPPED: ${PEER}, with which quotes are compared, cannot be installed: ${stderr.trim().split('\n')[0]}`,
    )
    return null
  }
  // Whatever the package exports; what is used of it fails aloud if it is something else.
  return createRequire(join(folder, 'index.js'))('@phala/dcap-qvl') as Peer
}

function theirs(
  { QuoteVerifier }: Peer,
  rootPem: string,
  collateral: ReturnType<SimulatedIntel['collateral']>,
  quotes: readonly Uint8Array[],
  at: number,
): Appraise {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  const signed = (body: string, member: string) => {
    const { signature, ...content } = JSON.parse(body)
    return { text: JSON.stringify(content[member]), signature }
  }
  const tcbInfo = signed(collateral.tcbInfo, 'tcbInfo')
  const qeIdentity = signed(collateral.qeIdentity, 'enclaveIdentity')
  const theirCollateral = {
    pck_crl_issuer_chain: rootPem,
    root_ca_crl: hex(collateral.rootCrl),
    pck_crl: hex(collateral.pckCrl),
    tcb_info_issuer_chain: collateral.tcbInfoIssuerChain,
    tcb_info: tcbInfo.text,
    tcb_info_signature: tcbInfo.signature,
    qe_identity_issuer_chain: collateral.qeIdentityIssuerChain,
    qe_identity: qeIdentity.text,
    qe_identity_signature: qeIdentity.signature,
  }
  const peer = new QuoteVerifier(Buffer.from(rootPem.replace(/-----[^-]+-----|\s/g, ''), 'base64'))
  const buffers = quotes.map(quote => Buffer.from(quote))
  return i => {
    const { status } = peer.verify(buffers[i] ?? Buffer.alloc(0), theirCollateral, Math.floor(at / 1000))
    if (status !== 'UpToDate') throw new Error(`${PEER} rates the quote ${status}`)
  }
}

/** What Node takes for the signatures alone. */
function twoSignatures(): Appraise {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const data = Buffer.alloc(600)
  const signature = sign('sha256', data, privateKey)
  return () => {
    if (!verify('sha256', data, publicKey, signature) || !verify('sha256', data, publicKey, signature)) {
      throw new Error('a good signature is not found good')
    }
  }
}
