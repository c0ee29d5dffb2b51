import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { repositoryRoot } from './skip.js'

/** A text file of the repository. */
export interface RepositoryFile {
  /** Relative to the root, with slashes. */
  readonly path: string
  readonly text: string
}

/** The text files that people wrote, in a folder of the repository or all of it: neither what is installed nor what is
 *  built. */
export function repositoryFiles(folder = ''): readonly RepositoryFile[] {
  return paths(join(repositoryRoot, folder)).map(path => ({
    path: relative(repositoryRoot, path).split(sep).join('/'),
    text: readFileSync(path, 'utf8'),
  }))
}

function paths(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !NOT_OURS.has(name))
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return paths(path)
      return entry.isFile() && !BINARY.test(entry.name) ? [path] : []
    })
    .sort()
}

const NOT_OURS: ReadonlySet<string> = new Set(['.git', 'node_modules', 'dist', 'build', 'package-lock.json'])
const BINARY = /\.(bin|der|png|gz|tgz|pcap|pcapng)$/

/** Folders directly inside a folder of the repository. */
export function foldersIn(folder: string): readonly string[] {
  return readdirSync(join(repositoryRoot, folder), { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort()
}
