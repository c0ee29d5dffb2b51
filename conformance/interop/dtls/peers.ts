import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
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
  /** The command that builds its program, run where its source is. @param folder where the program goes, as PROGRAM */
  build(folder: string): readonly string[]
}

/** The peers, by the time that it takes to build them. */
export const peers: readonly PeerStack[] = [
  {
    name: 'pion',
    version: 'github.com/pion/dtls/v4 4.0.1',
    language: 'Go',
    lacks: {},
    known: {},
    build: folder => ['go', 'build', '-o', join(folder, PROGRAM), '.'],
  },
  {
    name: 'dimpl',
    version: 'dimpl 0.9.0',
    language: 'Rust',
    lacks: {
      alpn: 'it has no ALPN',
      'connection IDs': 'it has no connection IDs',
      'key update of its own': 'it replaces keys when their limit is reached, not when told to',
      'ML-KEM': 'it has no ML-KEM',
      PSK: 'it has PSKs in DTLS 1.2 only',
      resumption: 'it has no resumption',
      'very large certificates': 'it keeps less of a flight than that takes',
    },
    known: {
      'certificates of 8 kB both ways (client)': 'its server panics over a certificate of its own that is so large',
    },
    build: cargo,
  },
  {
    name: 'wolfssl',
    version: 'wolfSSL 5.9.4, from wolfssl-sys 5.3.0',
    language: 'C',
    lacks: { 'very large certificates': 'it takes messages of 18 kB at most' },
    known: {
      'a client whose address changes (client)':
        'its server leaves it to the program around it to follow a peer; ours is too small for that',
      'X25519MLKEM768 by HelloRetryRequest (client)':
        'its server, with no group but that, ends when the second ClientHello comes in two datagrams (error -1)',
      'X25519MLKEM768 (client)':
        'its server answers no first ClientHello that is longer than a datagram; where ours has another group it begins with that',
    },
    build: cargo,
  },
]

function cargo(folder: string): readonly string[] {
  return ['cargo', 'build', '--release', '--locked', '--quiet', '--target-dir', folder]
}

/** Builds the program of a peer, from what its registry has.
 *  @returns its path   @throws Error with the reason, if it cannot be had */
export function build(peer: PeerStack): string {
  const folder = folderOf(peer)
  mkdirSync(folder, { recursive: true })
  const [tool = '', ...args] = peer.build(folder)
  const source = fileURLToPath(new URL(`../../../../conformance/interop/dtls/peers/${peer.name}`, import.meta.url))
  const result = spawnSync(tool, args, { cwd: source, encoding: 'utf8' })
  if (result.error) throw new Error(`${tool} is not here`)
  if (result.status !== 0) throw new Error(`${tool} could not build it:\n${result.stderr}`)
  return programOf(peer)
}

/** Where the program of a peer is, once it has been built. */
export function programOf(peer: PeerStack): string {
  return join(folderOf(peer), PROGRAM)
}

/** Where Cargo leaves it. */
const PROGRAM = join('release', 'peer')

function folderOf({ name }: PeerStack): string {
  return fileURLToPath(new URL(`../../../peers/${name}`, import.meta.url))
}
