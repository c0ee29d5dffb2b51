import { hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import {
  type EndorsementNeed,
  FixedEndorsements,
  type KdsItem,
  kdsEndorsementsOf,
  kdsPath,
  readKdsAnswer,
} from '../../evidence/index.js'
import { boundedBody } from './body.js'
import { answerTo, ServiceEndorsements, type ServiceOptions } from './service.js'

/** Where AMD's certificates are fetched, and by what. */
export interface KdsOptions extends ServiceOptions {
  /** AMD's unless said; or a cache of one's own that answers like it. */
  readonly url?: string
}

/** Certificates and revocation lists for SEV-SNP from AMD's key distribution service (KDS), fetched when a report needs
 *  them and kept while they are good. A platform's own certificate is asked for where its host does not give it; the
 *  revocation list always, and without it nothing is appraised. AMD answers a few requests a minute: hosts that
 *  give certificates, a `store`, or a cache of one's own keep below that. */
export class KdsEndorsements extends ServiceEndorsements<KdsItem> {
  constructor(options: KdsOptions) {
    super(options, {
      // Which service it is asks for nothing that AMD has not signed: it has no part in any verdict.
      digest: hex(hash('sha256', utf8('certificates of AMD’s'))),
      knows: need => kdsPath(need) !== undefined,
      load: (need, signal) => load(need, options, signal),
      read: readKdsAnswer,
      endorsementsOf: held => ({
        instanceKeys: new FixedEndorsements().instanceKeys,
        sevSnp: kdsEndorsementsOf(held),
      }),
    })
  }
}

async function load(need: EndorsementNeed, options: KdsOptions, signal: AbortSignal): Promise<Uint8Array> {
  const url = (options.url ?? AMD_KDS_URL).replace(/\/+$/, '') + (kdsPath(need) ?? '')
  return boundedBody(await answerTo(url, options, signal), url)
}

const AMD_KDS_URL = 'https://kdsintf.amd.com'
