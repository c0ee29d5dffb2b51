import type { DcapCollateral } from './endorsements.js'
import { SpelledJson } from './json.js'

/** Reads collateral from the JSON that dcap-qvl and the services around it exchange, so that it can be carried to where
 *  there is no network: `tcb_info`, `tcb_info_signature`, `qe_identity`, `pck_crl`, … with CRLs in hex, and the signed
 *  documents as strings, because they are signed as they are spelled.
 *  @throws MessageError if it has not that form; what is in it is read by FixedDcapEndorsements */
export function readCollateralBundle(text: string): DcapCollateral {
  const bundle = SpelledJson.parse(text, 'the bundle')
  const signed = (member: string, name: string) => {
    const signature = bundle.at(`${member}_signature`).hex(64)
    return `{"${name}":${bundle.at(member).text()},"signature":"${signature}"}`
  }
  return {
    tcbInfo: signed('tcb_info', 'tcbInfo'),
    tcbInfoIssuerChain: bundle.at('tcb_info_issuer_chain').text(),
    qeIdentity: signed('qe_identity', 'enclaveIdentity'),
    qeIdentityIssuerChain: bundle.at('qe_identity_issuer_chain').text(),
    pckCrl: bundle.at('pck_crl').bytes(),
    rootCrl: bundle.at('root_ca_crl').bytes(),
    pckChain: bundle.optional('pck_certificate_chain')?.text(),
  }
}
