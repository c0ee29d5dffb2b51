import type { Peer } from '../peer.js'
import { curl } from './curl.js'
import { gnutls } from './gnutls.js'
import { java } from './java.js'
import { nginx } from './nginx.js'
import { nss } from './nss.js'
import { openssl } from './openssl.js'
import { go, node, rustls } from './own.js'

/** The columns of the table. */
export const peers: readonly Peer[] = [openssl, gnutls, nss, go, rustls, java, node, curl, nginx]
