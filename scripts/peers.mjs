// Compiles our programs on the TLS libraries of others, which the tests meet (conformance/interop/tls).
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** Compiles what is not newer than its source. @returns what could not be, and why */
export function compilePeers() {
  const problems = []
  for (const { compiler, output, source, args } of PEERS) {
    if (isNewer(join(ROOT, output), join(ROOT, source))) continue
    mkdirSync(dirname(join(ROOT, output)), { recursive: true })
    const { error, status } = spawnSync(compiler, args, { cwd: join(ROOT, dirname(source)), stdio: 'inherit' })
    if (error) problems.push({ source, problem: 'no compiler' })
    else if (status !== 0) problems.push({ source, problem: 'failed' })
  }
  return problems
}

function isNewer(output, source) {
  return existsSync(output) && statSync(output).mtimeMs > statSync(source).mtimeMs
}

const PEER_SOURCES = join('conformance', 'interop', 'tls')
const PEER_OUTPUT = join(ROOT, 'build', 'peers', 'tls')
const PEERS = [
  {
    compiler: 'go',
    source: join(PEER_SOURCES, 'go', 'main.go'),
    output: join('build', 'peers', 'tls', 'go', 'peer'),
    args: ['build', '-o', join(PEER_OUTPUT, 'go', 'peer'), '.'],
  },
  {
    compiler: 'javac',
    source: join(PEER_SOURCES, 'java', 'Peer.java'),
    output: join('build', 'peers', 'tls', 'java', 'Peer.class'),
    args: ['-d', join(PEER_OUTPUT, 'java'), 'Peer.java'],
  },
  {
    compiler: 'cargo',
    source: join(PEER_SOURCES, 'rust', 'src', 'main.rs'),
    output: join('build', 'peers', 'tls', 'rust', 'release', 'peer'),
    args: [
      ...['build', '--release', '--locked', '--quiet'],
      ...['--manifest-path', join('..', 'Cargo.toml'), '--target-dir', join(PEER_OUTPUT, 'rust')],
    ],
  },
]
