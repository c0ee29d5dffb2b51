import { concat, hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import {
  type DcapItem,
  dcapEndorsementsOf,
  type EndorsementNeed,
  FixedEndorsements,
  INTEL_ROOT_CRL_URL,
  pcsRequest,
  readPcsAnswer,
} from '../../evidence/index.js'
import { boundedBody } from './body.js'
import { answerTo, ServiceEndorsements, type ServiceOptions } from './service.js'

/** Where Intel's collateral is fetched, and by what. */
export interface PcsOptions extends ServiceOptions {
  /** Intel's PCS unless said; or a PCCS, such as `https://localhost:8081`. */
  readonly url?: string
  /** Intel's unless said; a PCCS has it at `/sgx/certification/v4/rootcacrl`. */
  readonly rootCrlUrl?: string
}

/** Collateral for SGX and TDX from Intel's PCS or a PCCS, fetched when a quote needs it and kept while it is good. Such
 *  sources are the only part of a Verifier that touches the network. */
export class PcsEndorsements extends ServiceEndorsements<DcapItem> {
  constructor(options: PcsOptions) {
    super(options, {
      // Which service it is asks for nothing that Intel has not signed: it has no part in any verdict.
      digest: hex(hash('sha256', utf8('collateral of Intel’s'))),
      knows: need => need.kind === 'dcap-root-crl' || pcsRequest(need) !== undefined,
      load: (need, signal) => load(need, options, signal),
      read: (need, answer) => readPcsAnswer(need, decodeAnswer(answer)),
      endorsementsOf: held => ({
        instanceKeys: new FixedEndorsements().instanceKeys,
        dcap: dcapEndorsementsOf(held),
      }),
    })
  }
}

async function load(need: EndorsementNeed, options: PcsOptions, signal: AbortSignal): Promise<Uint8Array> {
  const request = pcsRequest(need)
  const base = (options.url ?? INTEL_PCS_URL).replace(/\/+$/, '')
  const url = request ? base + request.path : (options.rootCrlUrl ?? INTEL_ROOT_CRL_URL)
  const response = await answerTo(url, options, signal)
  const chain = request?.issuerChainHeaders.map(name => response.headers.get(name)).find(value => value !== null)
  return encodeAnswer(await boundedBody(response, url), chain ?? undefined)
}

const INTEL_PCS_URL = 'https://api.trustedservices.intel.com'

/** An answer as it is stored: its header in a first line, then its body. */
function encodeAnswer(body: Uint8Array, issuerChain: string | undefined): Uint8Array {
  return concat(utf8(`${issuerChain ?? ''}\n`), body)
}

function decodeAnswer(answer: Uint8Array): { readonly body: Uint8Array; readonly issuerChain: string | undefined } {
  const end = answer.indexOf(LINE_FEED)
  if (end < 0) throw new Error('the answer that was stored has no first line')
  const header = new TextDecoder().decode(answer.subarray(0, end))
  return { body: answer.subarray(end + 1), issuerChain: header === '' ? undefined : header }
}

const LINE_FEED = 0x0a
