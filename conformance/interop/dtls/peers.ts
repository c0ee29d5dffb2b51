import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Ability } from './scenarios.js'

/** An implementation of DTLS 1.3 by somebody else, and a program of ours that speaks with it. */
export interface PeerStack {
  readonly name: string
  /** What its registry calls it. */
  readonly version: string
  readonly language: string
  /** What cannot be tried with it, and why. */
  readonly lacks: Readonly<Partial<Record<Ability, string>>>
  /** What is known to go wrong, by the name of a scenario and our role: whose fault it is, and how we know. */
  readonly known: Readonly<Record<string, string>>
  /** The command that builds its program, in the folder of its source. */
  build(target: string): readonly string[]
}

/** The peers, by the time that it takes to build them. */
export const peers: readonly PeerStack[] = [
  {
    name: 'pion',
    version: 'github.com/pion/dtls/v4 4.0.1',
    language: 'Go',
    lacks: {},
    known: {},
    build: target => ['go', 'build', '-o', target, '.'],
  },
]

/** Builds the program of a peer, from what its registry has.
 *  @returns its path   @throws Error with the reason, if it cannot be had */
export function build(peer: PeerStack): string {
  const target = programOf(peer)
  const source = fileURLToPath(new URL(`../../../../conformance/interop/dtls/peers/${peer.name}`, import.meta.url))
  mkdirSync(dirname(target), { recursive: true })
  const [tool = '', ...args] = peer.build(target)
  const result = spawnSync(tool, args, { cwd: source, encoding: 'utf8' })
  if (result.error) throw new Error(`${tool} is not here`)
  if (result.status !== 0) throw new Error(`${tool} could not build it:\n${result.stderr}`)
  return target
}

/** Where the program of a peer is, once it has been built. */
export function programOf({ name }: PeerStack): string {
  return fileURLToPath(new URL(`../../../peers/${name}`, import.meta.url))
}
