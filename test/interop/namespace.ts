import { fileURLToPath } from 'node:url'
import { type Need, program } from './peer.js'
import { newFolder, Program, type Stage } from './support.js'

/** What `startApart` needs. */
export const apart: readonly Need[] = [
  program('unshare', 'apt install util-linux'),
  program('ip', 'apt install iproute2'),
]

/** The port of those that are started apart: there is nobody else. */
export const PORT = 4433

/** Starts a server that would listen on all interfaces in a network of its own, so that nobody else can reach it.
 *  @param isReady what it says when it listens on PORT   @returns it, and the socket in the file system that leads there */
export async function startApart(
  stage: Stage,
  name: string,
  args: readonly string[],
  isReady: RegExp,
): Promise<{ readonly server: Program; readonly socketPath: string }> {
  const socketPath = newFolder(stage)('socket')
  const server = new Program(stage, 'unshare', [
    ...['--map-root-user', '--net', '--pid', '--fork', '--kill-child'],
    ...[process.execPath, RELAY, socketPath, String(PORT), name, ...args],
  ])
  await server.says(/the relay listens/)
  await server.says(isReady)
  return { server, socketPath }
}

const RELAY = fileURLToPath(new URL('relay.js', import.meta.url))
