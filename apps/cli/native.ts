import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CryptoImplementation, cryptoImplementation, nativeHelperFile } from 'attested-tls/crypto'
import { ExitCode, UsageError } from './exit-code.js'

/*
 * The optional native helper: the C in native/, compiled where and when somebody asks for it, and never otherwise.
 */

/** Says what seals records, and makes HMACs and X25519 keys, and why. @throws UsageError if ATTESTED_TLS_NATIVE asks for what cannot be had */
export function nativeStatus(): ExitCode {
  const { name, reason, file } = used()
  process.stdout.write(
    `records, HMACs and X25519 keys are made by ${name === 'native' ? 'the native helper' : name}: ${reason}\n  ${file}\n`,
  )
  return ExitCode.ok
}

function used(): CryptoImplementation {
  try {
    return cryptoImplementation()
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** Compiles the helper, tries it in a process of its own, and puts it where it is looked for.
 *  @throws UsageError if it cannot be compiled here, or does not work */
export function buildNative({ output }: { readonly output?: string }): ExitCode {
  if (process.platform === 'win32') throw new UsageError('the native helper is for Linux and macOS')
  const file = output === undefined ? nativeHelperFile : resolve(output)
  const unproven = `${file}.${process.pid}.node`
  try {
    mkdirSync(dirname(file), { recursive: true })
    compile(unproven)
    prove(unproven)
    renameSync(unproven, file)
  } finally {
    rmSync(unproven, { force: true })
  }
  process.stdout.write(`built and tried: ${file}\n`)
  if (output === undefined) process.stdout.write('It is used from now on, unless ATTESTED_TLS_NATIVE=off.\n')
  else process.stdout.write(`It is used where ATTESTED_TLS_NATIVE=${file}.\n`)
  return ExitCode.ok
}

/** Takes the helper away. */
export function removeNative(): ExitCode {
  const wasThere = existsSync(nativeHelperFile)
  rmSync(nativeHelperFile, { force: true })
  process.stdout.write(`${wasThere ? 'removed' : 'there is no'} ${nativeHelperFile}\n`)
  return ExitCode.ok
}

function compile(output: string): void {
  const compiler = process.env.CC || 'cc'
  const sources = ['helper.c', 'aead.c', 'hmac.c', 'x25519.c'].map(name => join(packageFolder(), 'native', name))
  const args = [...FLAGS, ...(process.platform === 'darwin' ? MAC : LINUX), `-I${headers()}`, ...sources, '-o', output]
  process.stdout.write(`${[compiler, ...args].join(' ')}\n`)
  const { status, error } = spawnSync(compiler, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (error) {
    throw new UsageError(
      `${compiler} cannot be started (${error.message}): a C compiler is wanted, on the path or in CC`,
    )
  }
  if (status !== 0) throw new UsageError(`${compiler} could not compile the native helper: see above`)
}

const FLAGS = ['-std=c11', '-O2', '-Wall', '-Wextra', '-fPIC', '-fstack-protector-strong', '-D_FORTIFY_SOURCE=2']
/** Every function is looked up when the helper is loaded: what is missing must not be found out in the middle. */
const LINUX = ['-shared', '-Wl,-z,now', '-Wl,-z,relro']
const MAC = ['-bundle', '-undefined', 'dynamic_lookup']

/** Loads it in another process, which compares it with node:crypto: what was built wrong may bring a process down. */
function prove(file: string): void {
  const script = `import { cryptoImplementation } from ${JSON.stringify(import.meta.resolve('attested-tls/crypto'))}
cryptoImplementation()`
  const env = { ...process.env, ATTESTED_TLS_NATIVE: file }
  const args = ['--input-type=module', '--eval', script]
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new UsageError(`the native helper was compiled, but does not work:\n${stderr}`)
}

/** Where node_api.h stands: in the package node-api-headers if somebody has installed it, or with this Node. */
function headers(): string {
  const places = [headersPackage(), join(dirname(dirname(process.execPath)), 'include', 'node')]
  const found = places.find(place => place !== undefined && existsSync(join(place, 'node_api.h')))
  if (found === undefined) {
    throw new UsageError('node_api.h is not here: install the package node-api-headers, or the headers of this Node')
  }
  return found
}

function headersPackage(): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json')), 'include')
  } catch {
    return undefined
  }
}

function packageFolder(): string {
  return dirname(fileURLToPath(import.meta.resolve('attested-tls/package.json')))
}
