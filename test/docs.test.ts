import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { after, before, describe } from 'node:test'
import { pathToFileURL } from 'node:url'
import { makeRoot } from './support/pki.js'
import { type RepositoryFile, repositoryFiles } from './support/repository.js'
import { repositoryRoot } from './support/skip.js'

/*
 * In the documents, a block that begins with ```ts runnable NAME is compiled and run; blocks of one document with one
 * name are modules of one program, loaded in order. A block ```text prints NAME holds what that program has to print.
 *
 * The programs find key.pem and cert.pem (for localhost) and ca.pem where they run, and port 8443 is theirs.
 */

/** One program of one document. */
interface Program {
  readonly name: string
  readonly modules: readonly string[]
  readonly output: string | undefined
}

const documents = repositoryFiles().filter(({ path }) => path.endsWith('.md'))
const programs = documents.flatMap(programsOf)
const folder = join(repositoryRoot, 'build', 'docs')

/** Examples that run at once: each is a process, and most wait for one another inside it. */
const CONCURRENCY = 3
/** ms that an example may take on a machine that has much else to do, before it counts as hung. */
const PATIENCE = 300_000

describe('the documents', { concurrency: CONCURRENCY }, () => {
  before(async () => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeCertificates()
    for (const { name, modules } of programs) {
      const port = String(await freePort())
      for (const [index, code] of modules.entries()) {
        writeFileSync(join(folder, `${name}-${index}.ts`), code.replace(/\b8443\b/g, port))
      }
    }
    compile()
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('have examples', () => {
    assert.ok(programs.some(({ name }) => name.startsWith('README')))
  })

  for (const program of programs) {
    test(`have an example "${program.name}" that does what it says`, async () => {
      const printed = await run(program)
      if (program.output !== undefined) assert.equal(printed, program.output)
    })
  }
})

function programsOf({ path, text }: RepositoryFile): readonly Program[] {
  const blocks = [...text.matchAll(/^```(ts runnable|text prints) (\w+)\n([\s\S]*?)^```$/gm)].map(
    ([, kind = '', name = '', content = '']) => ({ kind, name, content }),
  )
  const names = new Set(blocks.filter(({ kind }) => kind === 'ts runnable').map(({ name }) => name))
  const document = path.replace(/\.md$/, '').replace(/\W/g, '-')
  return [...names].map(name => ({
    name: `${document}-${name}`,
    modules: blocks.filter(block => block.kind === 'ts runnable' && block.name === name).map(({ content }) => content),
    output: blocks.find(block => block.kind === 'text prints' && block.name === name)?.content,
  }))
}

function writeCertificates(): void {
  const ca = makeRoot({ name: 'Example CA' })
  const server = ca.issue({ subject: 'localhost', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', '::1'] })
  writeFileSync(join(folder, 'ca.pem'), ca.pem)
  writeFileSync(join(folder, 'cert.pem'), server.pem)
  writeFileSync(join(folder, 'key.pem'), server.keyPem)
}

/** Type-checks and compiles all programs, with the settings of the repository. */
function compile(): void {
  const settings = {
    extends: '../../tsconfig.base.json',
    compilerOptions: { rootDir: '.', outDir: 'out', composite: false, incremental: false, declaration: false },
    include: ['*.ts'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings))
  const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { encoding: 'utf8' })
  assert.equal(status, 0, `examples do not compile:\n${stdout}`)
}

/** Runs a program until it ends or has printed what it has to. @returns what it printed */
function run({ name, modules, output }: Program): Promise<string> {
  const imports = modules.map((_, index) => pathToFileURL(join(folder, 'out', `${name}-${index}.js`)).href)
  const main = imports.map(url => `await import(${JSON.stringify(url)})`).join('\n')
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--enable-source-maps', '--input-type=module', '--eval', main], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PATIENCE,
    })
    let printed = ''
    let complaints = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text
      if (output !== undefined && printed.length >= output.length) child.kill()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    child.on('error', reject)
    child.on('close', code => {
      if (code === 0 || printed === output) resolve(printed)
      else reject(new Error(`the example fails after it has printed:\n${printed}${complaints}`))
    })
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}
