export { DtlsConnection } from './connection.js'
export type { DatagramOptions } from './datagram-options.js'
