#!/usr/bin/env node
// What stands behind `npm start`, `npm test` and the other scripts of package.json. It needs Node and npm, nothing else:
// what is missing is installed, what is stale is built, then the command runs.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { compilePeers } from './peers.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

const USAGE = `usage: node scripts/run.mjs <command>

  demo [options]             the demonstration (npm start)
  coap                       the example of devices that enroll over CoAP on DTLS (apps/coap)
  test [--verbose] [paths]   lint, format and all tests (npm test); with paths, only the tests under them:
                             npm test -- test/x509 test/bytes/codec.test.ts
                             options that begin with --test- go to Node's own test runner:
                             npm test -- test/tls --test-name-pattern="second HelloRetryRequest"
  interop [--verbose]        every meeting with other implementations (test/interop); compiles what is ours of them before
  interop --table            the same, as a table: conformance/interop/tls/results.md
  peers                      only compiles, with the compilers that are here
  interop:dtls [options]     DTLS 1.3 against that of others, which are built for it (conformance/interop/dtls)
  lossy                      handshakes of DTLS over networks that lose, double and swap, a thousand at each rate of loss
  build                      compiles src/ to dist/, and all other TypeScript to build/
  lint                       linter and formatter, without changing anything
  format                     formats, and mends what the linter can mend
  bench [options]            the benchmarks, side by side with Node's tls
  native [build|remove]      the optional native helper: what is used, compile it, take it away (docs/native.md)
  fuzz [options]             feeds every decoder and handshake with what is almost right (fuzz/)
  soak [options] [names]     the same for long, or with many: what holds, and what it takes (soak/)
  bogo <checkout> [options]  BoringSSL's conformance suite (conformance/bogo)
  wycheproof <checkout>      the vectors of Wycheproof, through our own code (conformance/wycheproof)
  attacks [--markdown]       plays every attack of the catalogue (test/attacks) and says what came of it
  attacks --mutants          switches off one check after the other: the attacks have to notice`

const COMMANDS = {
  demo: args => run('node', [join('build', 'apps', 'demo', 'main.js'), ...args], { needs: ['src', 'apps'] }),
  coap: () => run('node', [join('build', 'apps', 'coap', 'main.js')], { needs: ['src', 'apps'] }),
  test,
  lossy,
  interop,
  peers,
  'interop:dtls': args =>
    run('node', [join('build', 'conformance', 'interop', 'dtls', 'run.js'), ...args], {
      needs: ['src', 'test', 'conformance'],
    }),
  build: () => build(['.']),
  lint: () => run('biome', ['check']),
  format: () => run('biome', ['check', '--write']),
  bench,
  native: args => run('node', [join('build', 'apps', 'cli', 'main.js'), 'native', ...args], { needs: ['src', 'apps'] }),
  fuzz: args =>
    run('node', ['--enable-source-maps', join('build', 'fuzz', 'main.js'), ...args], { needs: ['src', 'fuzz'] }),
  soak: args => run('node', [join('build', 'soak', 'main.js'), ...args], { needs: ['src', 'soak'] }),
  wycheproof: args =>
    run('node', [join('build', 'conformance', 'wycheproof', 'run.js'), ...args], {
      needs: ['src', 'test', 'conformance'],
    }),
  bogo: args =>
    run('node', [join('build', 'conformance', 'bogo', 'run.js'), ...args], { needs: ['src', 'conformance'] }),
  attacks,
}

/** A failure that is told in one sentence, without a stack. */
class Failure extends Error {
  /** @param {string} message @param {number} [exitCode] */
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Handshakes and data over TLS, or with `evidence` or `dtls` first, appraisals or DTLS. */
function bench(args) {
  const [first = ''] = args
  const program = Object.hasOwn(BENCHMARKS, first) ? BENCHMARKS[first] : undefined
  const rest = program ? args.slice(1) : args
  run('node', ['--expose-gc', join('build', 'bench', program ?? 'main.js'), ...rest], { needs: ['src', 'bench'] })
}

const BENCHMARKS = { evidence: 'evidence.js', dtls: 'dtls.js' }

/** The programs that the tests meet; what has no compiler here is left out, and its tests are skipped. */
function peers() {
  for (const { source, problem } of compilePeers()) {
    if (problem === 'no compiler') say(`There is no compiler here for ${source}, which is left out.`)
    else throw new Failure(`${source} could not be compiled: see above.`)
  }
}

/** All that there is to meet others with, and with `--table` not as tests but as a table. */
function interop(args) {
  peers()
  process.env.ATTESTED_TLS_INTEROP = 'all'
  if (!args.includes('--table')) return test(['test/interop', ...args])
  const rest = args.filter(arg => arg !== '--table')
  run('node', [join('build', 'test', 'interop', 'table.js'), ...rest], { needs: ['src', 'test'] })
}

/** The attacks as they are, or against one check less at a time. */
function attacks(args) {
  const [program, rest] = args.includes('--mutants')
    ? [join('mutation', 'main.js'), args.filter(arg => arg !== '--mutants')]
    : ['main.js', args]
  const path = join('build', 'test', 'attacks', program)
  run('node', ['--enable-source-maps', path, ...rest], { needs: ['src', 'test'] })
}

/** Everything, or the tests under the paths given. Node's summary comes last, but for a sentence on what else failed. */
function test(args) {
  const isVerbose = args.includes('--verbose')
  const runnerOptions = args.filter(arg => arg.startsWith('--test-'))
  const paths = args.filter(arg => arg !== '--verbose' && !arg.startsWith('--test-'))
  install()
  build(['.'])
  const isLintClean = paths.length > 0 || execute('biome', ['check']) === 0
  const reporter = isVerbose ? 'spec' : pathToFileURL(join(ROOT, 'scripts', 'reporter.mjs')).href
  const code = execute('node', [
    '--enable-source-maps',
    '--test',
    `--test-concurrency=${availableParallelism()}`,
    `--test-timeout=${TEST_TIMEOUT}`,
    `--test-reporter=${reporter}`,
    '--test-reporter-destination=stdout',
    ...runnerOptions,
    ...testFiles(paths),
  ])
  if (code !== 0) throw new Failure('Tests failed: see above.')
  if (!isLintClean) throw new Failure('The tests pass, but the linter does not: `npm run format` mends most of it.')
}

/** The tests of lossy networks, many times each. */
function lossy(args) {
  process.env.ATTESTED_TLS_LOSSY_RUNS ??= '1000'
  test(['test/dtls/lossy.test.ts', '--test-timeout=3600000', ...args])
}

/** ms that one test may take before it counts as hung. */
const TEST_TIMEOUT = 600_000

/** The compiled tests under the given paths. The sources decide, so a test that was removed does not live on in build/. */
function testFiles(paths) {
  const all = ['test', 'fuzz', 'soak'].flatMap(filesUnder).filter(file => file.endsWith('.test.ts'))
  const wanted = paths.map(path => relative(ROOT, resolve(process.env.INIT_CWD ?? process.cwd(), path)))
  for (const path of wanted) {
    if (!all.some(file => isUnder(file, path))) throw new Failure(`No test stands at or under ${path}.`, 2)
  }
  const chosen = wanted.length === 0 ? all : all.filter(file => wanted.some(path => isUnder(file, path)))
  return chosen.map(file => join('build', file.replace(/\.ts$/, '.js')))
}

/** @param {string} file @param {string} path a file or a folder */
function isUnder(file, path) {
  return path === '' || file === path || file.startsWith(path + sep)
}

/** Installs and builds what the command needs, then runs it in this process's stead. */
function run(program, args, { needs = [] } = {}) {
  install()
  if (needs.length > 0) build(needs)
  const code = execute(program, args)
  if (code !== 0) throw new Failure('', code)
}

/** Runs `npm ci` unless what package-lock.json asks for is there. */
function install() {
  if (isInstalled()) return
  say('Installing dependencies …')
  // Under npm its own program is known; started by hand, npm is on the path (and is a script on Windows).
  const npm = process.env.npm_execpath
  const options = { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] }
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  const result = npm
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
  if (result.error) throw new Failure(`npm cannot be started: ${result.error.message}`)
  if (result.status !== 0) throw new Failure('npm could not install the dependencies: see above.')
}

function isInstalled() {
  const wanted = readLock('package-lock.json')
  const present = readLock(join('node_modules', '.package-lock.json'))
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || present[path]?.version === version,
  )
}

function readLock(file) {
  const path = join(ROOT, file)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {}
}

/** The TypeScript projects, and where each one's output goes. */
const PROJECTS = {
  src: 'dist',
  apps: 'build/apps',
  test: 'build/test',
  bench: 'build/bench',
  soak: 'build/soak',
  fuzz: 'build/fuzz',
  conformance: 'build/conformance',
}

/** Compiles what has changed. @param {string[]} projects folders with a tsconfig.json */
function build(projects) {
  install()
  const code = execute('tsc', ['-b', ...projects, ...(removeStaleOutput() ? ['--force'] : [])])
  if (code !== 0) throw new Failure('The TypeScript compiler found errors: see above.')
}

/** Removes output whose source is gone. @returns whether output is missing that the compiler believes to be there */
function removeStaleOutput() {
  let isOutputMissing = false
  for (const [source, output] of Object.entries(PROJECTS)) {
    const sources = new Set(filesUnder(source).map(file => file.replace(/\.ts$/, '')))
    for (const file of filesUnder(output)) {
      const stem = relative(output, file).replace(/(\.d\.ts|\.js\.map|\.js)$/, '')
      if (!sources.has(join(source, stem))) rmSync(join(ROOT, file))
    }
    isOutputMissing ||= existsSync(join(ROOT, 'build', `${source}.tsbuildinfo`)) && !existsSync(join(ROOT, output))
  }
  return isOutputMissing
}

/** Files in a folder and its folders, relative to the root; none if there is no such folder. */
function filesUnder(folder) {
  const path = join(ROOT, folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(ROOT, join(entry.parentPath ?? entry.path, entry.name)))
    .sort()
}

/** Programs of our dependencies, as the files that Node runs. */
const PROGRAMS = {
  tsc: join('node_modules', 'typescript', 'bin', 'tsc'),
  biome: join('node_modules', '@biomejs', 'biome', 'bin', 'biome'),
}

/** Runs `node` or one of PROGRAMS with our terminal. @returns its exit code */
function execute(program, args) {
  const script = program === 'node' ? [] : [PROGRAMS[program]]
  const { status, signal, error } = spawnSync(process.execPath, [...script, ...args], { cwd: ROOT, stdio: 'inherit' })
  if (error) throw new Failure(`${program} cannot be started: ${error.message}`)
  if (signal) throw new Failure(`${program} was ended by ${signal}.`)
  return status
}

function say(sentence) {
  process.stderr.write(`${sentence}\n`)
}

function checkNode() {
  const { node } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).engines
  const [needMajor, needMinor] = node.replace('>=', '').split('.').map(Number)
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < needMajor || (major === needMajor && minor < needMinor)) {
    throw new Failure(`This needs Node ${node}; what runs here is Node ${process.versions.node}.`, 2)
  }
}

function main([name, ...args]) {
  checkNode()
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : undefined
  if (!command) throw new Failure(name ? `There is no command "${name}".\n\n${USAGE}` : USAGE, 2)
  command(args)
}

try {
  main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Failure)) throw error
  if (error.message) say(error.message)
  process.exitCode = error.exitCode
}
