export { ConnectionEnded, type ConnectionEvent, type RecordOptions, TlsConnection } from './connection.js'
export { ContentType } from './record.js'
export type { PaddingRule } from './record-writer.js'
