export { AddressCheck, type Admission } from './address-check.js'
export { DtlsConnection } from './connection.js'
export type { DatagramOptions } from './datagram-options.js'
