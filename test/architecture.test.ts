import assert from 'node:assert/strict'
import { posix } from 'node:path'
import test, { describe } from 'node:test'
import { foldersIn, type RepositoryFile, repositoryFiles } from './support/repository.js'

/** The rooms of src/ and which others each may import from. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  bytes: [],
  crypto: ['bytes'],
  x509: ['crypto', 'bytes'],
  handshake: ['x509', 'crypto', 'bytes'],
  tls: ['handshake', 'crypto', 'bytes'],
  dtls: ['handshake', 'crypto', 'bytes'],
  rats: ['crypto', 'bytes'],
  evidence: ['rats', 'x509', 'crypto', 'bytes'],
  attester: ['evidence', 'rats', 'x509', 'crypto', 'bytes'],
  verifier: ['evidence', 'rats', 'x509', 'crypto', 'bytes'],
  attestation: ['handshake', 'rats', 'crypto', 'bytes'],
  node: ['tls', 'dtls', 'attestation', 'handshake', 'verifier', 'attester', 'rats', 'x509', 'crypto', 'bytes'],
}
/** Rooms that know nothing of remote attestation. */
const ENGINE = ['bytes', 'crypto', 'x509', 'handshake', 'tls', 'dtls']
/** Rooms that may ask Node for something. */
const WITH_NODE = ['crypto', 'attester', 'node']

const sources = repositoryFiles('src').filter(({ path }) => path.endsWith('.ts'))
const everything = repositoryFiles()

describe('rooms', () => {
  test('are those of the table', () => {
    assert.deepEqual(foldersIn('src'), Object.keys(ROOMS).sort())
  })

  test('import only from the rooms they may, and only through their index', () => {
    const wrong = imports(sources).flatMap(({ from, target }) => {
      if (!target.startsWith('.')) return []
      const path = posix.join(posix.dirname(from.path), target)
      const room = roomOf(path)
      if (room === roomOf(from.path)) return []
      if (path !== `src/${room}/index.js`) return [`${from.path}: ${target} is not the index of a room`]
      return ROOMS[roomOf(from.path)]?.includes(room) ? [] : [`${from.path} imports from ${room}/`]
    })
    none(wrong)
  })

  test('have no import that goes round in a circle', () => {
    const reach = (room: string): readonly string[] => (ROOMS[room] ?? []).flatMap(next => [next, ...reach(next)])
    for (const room of Object.keys(ROOMS)) assert.ok(!reach(room).includes(room), room)
  })

  test('ask Node only where that is their business', () => {
    const wrong = imports(sources).filter(
      ({ from, target }) => target.startsWith('node:') && !WITH_NODE.includes(roomOf(from.path)),
    )
    none(wrong.map(({ from, target }) => `${from.path}: ${target}`))
  })

  test('of the engine do not know the words of remote attestation', () => {
    const engine = sources.filter(({ path }) => ENGINE.includes(roomOf(path)))
    // The name of the product is no knowledge.
    none(matches(engine, /attest(?!ed[-_]tls)|evidence|verifier/i))
  })

  test('below node/ have neither clock, timer, randomness nor process of their own', () => {
    const ambient =
      /\bDate\.now\b|\bnew Date\(\)|\bperformance\.|\bMath\.random\b|\bset(Timeout|Interval|Immediate)\b|\bAbortSignal\.timeout\b|\bprocess\.(?!versions\b)|\bgetRandomValues\b|\brandomUUID\b/
    const below = sources.filter(({ path }) => roomOf(path) !== 'node')
    none(matches(below.map(withoutComments), ambient))
  })

  test('below node/ and attester/ draw randomness in one place', () => {
    const others = sources.filter(
      ({ path }) => path !== 'src/crypto/entropy.ts' && !['node', 'attester'].includes(roomOf(path)),
    )
    none(matches(others.map(withoutComments), /\brandom(Bytes|Fill|FillSync|Int)\b/))
  })

  test('keep Buffer to where Node is', () => {
    const others = sources.filter(({ path }) => !WITH_NODE.includes(roomOf(path)))
    none(matches(others.map(withoutComments), /\bBuffer\b/))
  })
})

describe('apps, benchmarks, soak and examples', () => {
  test('see only what the package exports', () => {
    const outside = everything.filter(({ path }) => /^(apps|bench|conformance|examples|soak)\/.*\.ts$/.test(path))
    const wrong = imports(outside).filter(
      ({ from, target }) =>
        target.startsWith('#src/') || posix.join(posix.dirname(from.path), target).startsWith('src/'),
    )
    none(wrong.map(({ from, target }) => `${from.path}: ${target}`))
  })
})

describe('sources', () => {
  test('document every export', () => {
    none(sources.flatMap(undocumentedExports))
  })

  test('cite as RFC 8446 §4.2.8, with the document named every time', () => {
    const wrong = sources.filter(({ path }) => path.endsWith('.ts')).flatMap(unusualCitations)
    none(wrong)
  })

  test('are files of one idea', () => {
    const long = sources.map(({ path, text }) => ({ path, lines: text.split('\n').length }))
    none(long.filter(({ lines }) => lines > MAX_LINES).map(({ path, lines }) => `${path}: ${lines} lines`))
  })

  test('silence neither the compiler nor the test runner, and leave nothing to be done', () => {
    const code = everything.filter(({ path }) => /\.(ts|mjs)$/.test(path) && path !== 'test/architecture.test.ts')
    none(matches(code, /@ts-(ignore|expect-error|nocheck)|\b(TODO|FIXME|XXX|HACK)\b|\.(only|todo)\(/))
  })
})

/** STYLE: past 400 lines, look for the second idea. Here it has become a rule. */
const MAX_LINES = 650

describe('the repository', () => {
  test('names no path of one machine, no registry and no ticket', () => {
    const strings = [
      // Written so that this file does not find itself.
      `/${'work'}/`,
      `/${'tmp'}/[a-z]`,
      `/${'home'}/[a-z]`,
      `registry.${'npmjs'}`,
      `issue #?${'\\d'}`,
    ]
    none(matches(everything, new RegExp(strings.join('|'), 'i')))
  })

  test('describes every room in ARCHITECTURE.md', () => {
    const { text } = file('ARCHITECTURE.md')
    const missing = Object.keys(ROOMS).filter(room => !text.includes(`\`${room}/\``))
    none(missing)
  })

  test('names every entry point of the package in README.md', () => {
    const { text } = file('README.md')
    const { exports } = packageJson()
    const missing = Object.keys(exports).filter(
      entry => entry !== './package.json' && !text.includes(`\`${posix.join('attested-tls', entry)}\``),
    )
    none(missing)
  })

  test('gives the reason for every dependency in docs/dependencies.md', () => {
    const { text } = file('docs/dependencies.md')
    const { dependencies, devDependencies } = packageJson()
    const missing = Object.keys({ ...dependencies, ...devDependencies }).filter(name => !text.includes(`\`${name}\``))
    none(missing)
  })

  test('uses every dependency that it has, and has every one that it uses', () => {
    const shipped = everything.filter(({ path }) => path.startsWith('apps/cli/'))
    const used = imports([...sources, ...shipped])
      .map(({ target }) => /^(@[^/]+\/)?[^./#@][^/]*/.exec(target)?.[0])
      .filter(name => name !== undefined && !name.startsWith('node:') && name !== 'attested-tls')
    assert.deepEqual([...new Set(used)].sort(), Object.keys(packageJson().dependencies).sort())
  })

  test('has links that lead somewhere', () => {
    const broken = everything
      .filter(({ path }) => path.endsWith('.md'))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/\]\(([^)#:\s]+)(#[^)]*)?\)/g)]
          .map(([, target = '']) => posix.join(posix.dirname(path), target))
          .filter(target => !everything.some(other => other.path === target || other.path.startsWith(`${target}/`)))
          .map(target => `${path}: ${target}`),
      )
    none(broken)
  })
})

/** Says what was found, one to a line, where nothing should be. */
function none(found: readonly string[]): void {
  assert.ok(found.length === 0, `\n${found.join('\n')}`)
}

function roomOf(path: string): string {
  return path.split('/')[1] ?? ''
}

/** Every import and re-export of the given files. */
function imports(files: readonly RepositoryFile[]): readonly { from: RepositoryFile; target: string }[] {
  return files.flatMap(from =>
    [
      ...withoutComments(from).text.matchAll(
        /(?:^(?:import|export|\})[^'\n]*\bfrom|^import|\bimport\()\s*'([^'\n]+)'/gm,
      ),
    ].map(([, target = '']) => ({
      from,
      target,
    })),
  )
}

/** A file whose comments are blanked; lines keep their numbers. */
function withoutComments({ path, text }: RepositoryFile): RepositoryFile {
  const blank = (comment: string) => comment.replace(/[^\n]/g, ' ')
  return { path, text: text.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(^|\s)\/\/.*$/gm, blank) }
}

/** Where the pattern occurs, as `path:line: what stands there`. */
function matches(files: readonly RepositoryFile[], pattern: RegExp): readonly string[] {
  return files.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [])),
  )
}

/** Exports without a doc comment. A type that is made of a constant is documented there. */
function undocumentedExports({ path, text }: RepositoryFile): readonly string[] {
  const lines = text.split('\n')
  const documented = new Set<string>()
  return lines.flatMap((line, index) => {
    const declaration =
      /^export (?:declare )?(?:abstract )?(?:async )?(const|function\*?|class|interface|type) (\w+)/.exec(line)
    const name = declaration?.[2]
    if (!name) return []
    const hasComment = lines[index - 1]?.trimEnd().endsWith('*/') ?? false
    if (hasComment || documented.has(name)) {
      documented.add(name)
      return []
    }
    const ofConstant = /^export type \w+ = .*\btypeof (\w+)/.exec(line)?.[1]
    return ofConstant && documented.has(ofConstant) ? [] : [`${path}:${index + 1}: ${name}`]
  })
}

/** Citations in comments that a script could not read. */
function unusualCitations({ path, text }: RepositoryFile): readonly string[] {
  const comments = [...text.matchAll(/\/\*[\s\S]*?\*\/|(?:^|\s)\/\/.*(?:\n\s*\/\/.*)*/g)].map(([comment]) =>
    comment.replace(/\n\s*(\*(?!\/)|\/\/)?\s*/g, ' '),
  )
  return comments.flatMap(comment => {
    const loose = [...comment.matchAll(/\bRFC[-_]?\d|\brfc \d|\b[Ss]ection \d|\bSec\. ?\d/g)]
    const sections = [...comment.matchAll(/§/g)].filter(
      ({ index }) => !NAMED_DOCUMENT.test(comment.slice(0, index)) || !SECTION.test(comment.slice(index)),
    )
    return [...loose, ...sections].map(
      ({ index }) => `${path}: …${comment.slice(Math.max(0, index - 40), index + 20)}…`,
    )
  })
}

const NAMED_DOCUMENT = /(RFC \d{3,5}|draft(-[a-z0-9]+)+|FIPS \d{3}(-\d)?|X\.\d{3}|AMD \d{5}) $/
const SECTION = /^§([A-Z]|\d+)(\.\d+)*(?!\w)/

interface PackageJson {
  readonly exports: Readonly<Record<string, unknown>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

function packageJson(): PackageJson {
  return JSON.parse(file('package.json').text)
}

function file(path: string): RepositoryFile {
  const found = everything.find(other => other.path === path)
  assert.ok(found, `${path} is missing`)
  return found
}
