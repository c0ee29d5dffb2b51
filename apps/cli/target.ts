import { UsageError } from './exit-code.js'

/** Where to connect to. */
export interface Target {
  readonly host: string
  readonly port: number
}

/** Reads `HOST`, `HOST:PORT`, `[ADDRESS]:PORT` or an address alone. @throws UsageError */
export function targetOf(text: string): Target {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? plain ?? (/^[\da-f:.]+$/i.test(text) ? text : '')
  const number = port === undefined ? 443 : Number(port)
  if (host === '' || number < 1 || number > 65_535) throw new UsageError(`${text} is no HOST or HOST:PORT`)
  return { host, port: number }
}

/** Reads an https URL. @throws UsageError */
export function urlOf(text: string): URL {
  if (!URL.canParse(text) || new URL(text).protocol !== 'https:') throw new UsageError(`${text} is no https URL`)
  return new URL(text)
}
