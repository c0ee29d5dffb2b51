import { type ExtensionRow, ExtensionTable } from './extension-table.js'
import { baseRows } from './extensions.js'
import type { Plug } from './plug.js'

/** The extension table of a connection: plugs that bring the same rows share one.
 *  @throws RangeError if a plug takes a number that is taken */
export function tableWith(plug: Pick<Plug, 'extensions'> | undefined): ExtensionTable {
  if (!plug) return base
  let table = tables.get(plug.extensions)
  if (!table) {
    table = new ExtensionTable([...baseRows, ...plug.extensions])
    tables.set(plug.extensions, table)
  }
  return table
}

const base = new ExtensionTable(baseRows)
const tables = new WeakMap<readonly ExtensionRow[], ExtensionTable>()
