import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Credentials, makeCredentials } from './credentials.js'
import type { News } from './end.js'
import { ourClient, ourServer } from './ours.js'
import { Path } from './path.js'
import { build, type PeerStack, peers, programOf } from './peers.js'
import { Puppet } from './puppet.js'
import { report } from './report.js'
import { type Link, type Role, type Scenario, scenarios } from './scenarios.js'

/*
 * Our DTLS 1.3 against that of others, in both roles, over loopback. README.md says more.
 */

const USAGE = `npm run interop:dtls -- [options] [peer …]

  --scenario TEXT   only the scenarios whose name has it
  --json            one line of JSON per result
  --build           builds the programs of peers, and nothing else
  --built           takes them as they were built before
  --strict          a peer that cannot be built is a failure
  --write           writes results.md
  peers             ${peers.map(({ name }) => name).join(' ')}; all unless said`

/** How one scenario went. */
export interface Result {
  readonly peer: string
  readonly scenario: string
  readonly role: Role
  readonly outcome: 'passed' | 'failed' | 'known' | 'skipped'
  /** Why it was not passed. */
  readonly reason?: string
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      scenario: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      build: { type: 'boolean', default: false },
      built: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const unknown = positionals.find(name => !peers.some(peer => peer.name === name))
  if (values.help || unknown !== undefined) {
    console.log(unknown === undefined ? USAGE : `There is no peer "${unknown}".\n\n${USAGE}`)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'attested-tls-interop-'))
  const results: Result[] = []
  const tell = (result: Result) => {
    results.push(result)
    if (values.json) console.log(JSON.stringify(result))
    else console.log(lineOf(result))
  }
  try {
    const credentials = makeCredentials(folder)
    for (const peer of peers.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
      let program: string
      try {
        program = values.built ? programOf(peer) : build(peer)
      } catch (error) {
        console.error(`${peer.name} is left out: ${error instanceof Error ? error.message : error}`)
        if (values.strict) process.exitCode = 1
        continue
      }
      const wanted = scenarios.filter(({ name }) => !values.build && name.includes(values.scenario))
      for (const scenario of wanted) {
        for (const role of scenario.roles ?? ROLES) tell(await tryOut(peer, program, scenario, role, credentials))
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  if (results.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1
  if (values.write) {
    const file = fileURLToPath(new URL('../../../../conformance/interop/dtls/results.md', import.meta.url))
    writeFileSync(file, report(results))
  }
}

const ROLES: readonly Role[] = ['client', 'server']

async function tryOut(
  peer: PeerStack,
  program: string,
  scenario: Scenario,
  role: Role,
  credentials: Credentials,
): Promise<Result> {
  const { name, needs } = scenario
  const told = { peer: peer.name, scenario: name, role }
  const lack = needs && peer.lacks[needs]
  if (lack !== undefined) return { ...told, outcome: 'skipped', reason: lack }
  const known = peer.known[`${name} (${role})`] ?? peer.known[name]
  try {
    await meet(program, scenario, role, credentials)
  } catch (error) {
    if (known !== undefined) return { ...told, outcome: 'known', reason: known }
    return { ...told, outcome: 'failed', reason: error instanceof Error ? error.message : String(error) }
  }
  if (known === undefined) return { ...told, outcome: 'passed' }
  return { ...told, outcome: 'failed', reason: `it passes, although it is known to fail: ${known}` }
}

async function meet(program: string, scenario: Scenario, role: Role, credentials: Credentials): Promise<void> {
  const { client, server, theirs = [], credentials: kind = 'usual' } = scenario.options ?? {}
  const { own, peersArguments } = credentials.of(kind)
  const opened: { stop(): unknown }[] = []
  try {
    if (role === 'client') {
      const puppet = new Puppet(program, ['-role', 'server', ...peersArguments.server, ...theirs])
      opened.push(puppet)
      const path = await Path.open(await puppet.listening(), scenario.fate)
      opened.push({ stop: () => path.close() })
      const end = ourClient(path.port, { ...own.client, ...client })
      opened.push(end)
      await watched(scenario, { ours: end, theirs: puppet, client: end, server: puppet, path })
    } else {
      const { end, port } = await ourServer({ ...own.server, ...server })
      opened.push(end)
      const path = await Path.open(port, scenario.fate)
      opened.push({ stop: () => path.close() })
      const puppet = new Puppet(program, [
        ...['-role', 'client', '-port', String(path.port)],
        ...peersArguments.client,
        ...theirs,
      ])
      opened.push(puppet)
      await watched(scenario, { ours: end, theirs: puppet, client: puppet, server: end, path })
    }
  } finally {
    for (const thing of opened.reverse()) await thing.stop()
  }
}

/** @throws Error with what both ends have seen */
async function watched(scenario: Scenario, link: Link & { readonly theirs: Puppet }): Promise<void> {
  try {
    await scenario.run(link)
  } catch (error) {
    const seen = ({ history }: News) => history.join('; ') || 'nothing'
    const both = `we saw: ${seen(link.ours.news)}; the peer: ${seen(link.theirs.news)}`
    throw new Error(`${error instanceof Error ? error.message : error}; ${both}`, { cause: error })
  }
}

function lineOf({ peer, scenario, role, outcome, reason }: Result): string {
  return `${outcome.padEnd(8)} ${peer.padEnd(10)} we are the ${role}: ${scenario}${reason ? ` (${reason})` : ''}`
}

await main()
