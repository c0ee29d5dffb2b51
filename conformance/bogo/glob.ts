/** Whether a name matches a pattern of Go's filepath.Match, as far as names of tests need it: `*`, `?` and `[a-z]`. */
export function matchesGlob(glob: string, name: string): boolean {
  const pattern = glob
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${pattern}$`).test(name)
}
