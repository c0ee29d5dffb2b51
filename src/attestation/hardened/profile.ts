import { encode } from '../../bytes/index.js'
import { EvidenceType } from '../evidence-type.js'
import type { Profile } from '../profile.js'
import { openEvidence } from './batch-message.js'
import { AttesterRole, handshakeReportData } from './bytes.js'

/** What stands in the Evidence of the handshake: RD0, over the key exchange, the key and the kind of Evidence, for one
 *  role. It is not what the connection rests on: that is the attestation over the finished handshake. */
export const hardened: Profile = {
  name: 'hardened',
  allowsResumption: false,
  minNonceLength: 32,
  challenge({ hs, attester, selected, nonce, length, spki }) {
    const reportData = handshakeReportData({
      attesterRole: AttesterRole[attester],
      credentialKind: selected.credentialKind,
      cipherSuite: hs.suite.id,
      group: hs.group,
      nonce,
      handshakeBinder: hs.handshakeExporter('attestation-binder', nonce, 32),
      spki,
      evidenceType: encode(EvidenceType, selected),
    })
    return { challenge: reportData.subarray(0, length ?? reportData.length), reportData }
  },
  open: (message, { reportData }, length) => openEvidence(message, reportData, length),
  bindingLevel: () => 3,
}
