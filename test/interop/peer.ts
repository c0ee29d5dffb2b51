import type { AttestedSocket } from '#src/node/index.js'
import { hasProgram } from '../support/skip.js'
import type { Case } from './cases.js'
import type { Stage } from './support.js'

/** Another's implementation of TLS 1.3. */
export interface Peer {
  readonly name: string
  /** What has to be on the machine. */
  readonly needs: readonly Need[]
  /** What it is, for the table. */
  version(): string
  readonly client?: PeerClient
  readonly server?: PeerServer
}

/** A program that a peer is, or is made with. */
export interface Need {
  readonly name: string
  readonly isPresent: boolean
  readonly remedy: string
}

/** What a peer cannot be made to do, by the names of cases or their beginnings, and why. */
export type Limits = Readonly<Record<string, string>>

/** A peer that connects to our server, which sends back what it is sent. */
export interface PeerClient {
  readonly cannot: Limits
  /** Whether it speaks HTTP, and so has to be answered. */
  readonly isHttp?: boolean
  /** Whether it leaves the end to the server, and then closes without close_notify, which RFC 8446 §6.1 demands. */
  readonly omitsCloseNotify?: boolean
  /** Sends the payload, and settles when it has come back, on as many connections as the case wants.
   *  @throws Error if it does not, or is another */
  run(stage: Stage, wanted: Case, at: { readonly port: number; readonly payload: string }): Promise<void>
}

/** A peer that our client connects to. */
export interface PeerServer {
  readonly cannot: Limits
  start(stage: Stage, wanted: Case): Promise<Listening>
}

/** A server that waits. */
export interface Listening {
  /** Where it is. */
  readonly options: PeerAddress
  /** Where it knows its tickets and takes no early data; without that it takes tickets once. */
  readonly refusing?: PeerAddress
  /** Whether it closes connections without close_notify, which RFC 8446 §6.1 demands. */
  readonly omitsCloseNotify?: boolean
  /** What it has to be sent so that the payload comes back; the payload itself unless said. */
  readonly request?: (payload: string) => string
  /** Sends what is left to say and takes the answer, where that is not an echo. @throws Error if it is not what it should be */
  readonly exchange?: (socket: AttestedSocket, saying: Saying, wanted: Case) => Promise<void>
}

/** A port, or a socket in the file system. */
export interface PeerAddress {
  readonly host?: string
  readonly port?: number
  readonly path?: string
}

/** What our client says. */
export interface Saying {
  /** What is left of it: what was early data is not said again. */
  readonly rest: string
  /** What has to come back. */
  readonly payload: string
}

/** A program on the path. */
export function program(name: string, remedy: string): Need {
  return { name, isPresent: hasProgram(name), remedy }
}

/** Why a peer cannot do a case; undefined if it can. */
export function limitOf({ cannot }: PeerClient | PeerServer, { name }: Case): string | undefined {
  return Object.entries(cannot).find(([beginning]) => name.startsWith(beginning))?.[1]
}
