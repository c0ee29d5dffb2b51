import type { SpelledJson } from './json.js'
import { type IsvSvnLevel, readIsvSvnLevels } from './tcb-info.js'

/** The identity of a Quoting Enclave (Intel's PCS, "Get SGX/TDX QE Identity"): which enclave may make quotes. */
export interface QeIdentity {
  /** Whose quotes it makes. */
  readonly tee: 'sgx' | 'tdx'
  /** Milliseconds since 1970. */
  readonly issueDate: number
  /** Milliseconds since 1970. */
  readonly nextUpdate: number
  /** Counts the events that TCBs are rated anew after. */
  readonly evaluationDataNumber: number
  /** 4 bytes: lower-case hex. */
  readonly miscSelect: string
  readonly miscSelectMask: string
  /** 16 bytes: lower-case hex. */
  readonly attributes: string
  readonly attributesMask: string
  /** 32 bytes: lower-case hex. */
  readonly mrSigner: string
  readonly isvProdId: number
  /** The best first. */
  readonly levels: readonly IsvSvnLevel[]
}

/** Reads the value of `enclaveIdentity`. @throws MessageError if it is of another enclave than a Quoting Enclave */
export function readQeIdentity(json: SpelledJson): QeIdentity {
  const tee = teeOf(json.at('id'))
  json.at('version').integer(2, tee === 'sgx' ? 2 : 3)
  return {
    tee,
    issueDate: json.at('issueDate').time(),
    nextUpdate: json.at('nextUpdate').time(),
    evaluationDataNumber: json.at('tcbEvaluationDataNumber').integer(0, 0xffffffff),
    miscSelect: json.at('miscselect').hex(4),
    miscSelectMask: json.at('miscselectMask').hex(4),
    attributes: json.at('attributes').hex(16),
    attributesMask: json.at('attributesMask').hex(16),
    mrSigner: json.at('mrsigner').hex(32),
    isvProdId: json.at('isvprodid').integer(0, 0xffff),
    levels: readIsvSvnLevels(json.at('tcbLevels')),
  }
}

function teeOf(id: SpelledJson): 'sgx' | 'tdx' {
  switch (id.text()) {
    case 'QE':
      return 'sgx'
    case 'TD_QE':
      return 'tdx'
    default:
      return id.fail('is neither QE nor TD_QE')
  }
}
