export { AddressCheck, type Admission, type Negotiation } from './address-check.js'
export { DtlsConnection } from './connection.js'
export type { DatagramOptions } from './datagram-options.js'
