export { ConnectionEnded, type ConnectionEvent } from '../handshake/index.js'
export { type RecordOptions, TlsConnection } from './connection.js'
export { ContentType } from './record.js'
export type { PaddingRule } from './record-writer.js'
