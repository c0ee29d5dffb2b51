import { Policy, remarksOn } from 'attested-tls/verifier'
import { ExitCode } from './exit-code.js'
import { contentOf } from './relying-party.js'

/** Reads a policy, and tells what it comes to. @throws PolicyError with the place of what is wrong in it */
export function checkPolicy(file: string, { json }: { readonly json?: boolean }): ExitCode {
  const policy = Policy.parse(contentOf(file), file)
  const platforms = [...policy.platforms].map(([kind, { measurementSets }]) => ({
    kind,
    measurements: measurementSets?.length ?? null,
  }))
  const { name = null, digest } = policy
  const remarks = remarksOn(policy)
  if (json) {
    process.stdout.write(`${JSON.stringify({ name, digest, platforms, remarks }, null, 2)}\n`)
    return ExitCode.ok
  }
  process.stdout.write(`${file} is a policy${name === null ? '' : `, ${name}`}\n`)
  for (const { kind, measurements } of platforms) {
    const sets = measurements === 1 ? '1 set of measurements' : `${measurements} sets of measurements`
    process.stdout.write(`  ${kind}: ${measurements === null ? 'no measurements' : sets}\n`)
  }
  process.stdout.write(`  digest ${digest}\n`)
  if (remarks.length > 0) process.stdout.write(`what it leaves open:\n${remarks.map(one => `  ${one}\n`).join('')}`)
  return ExitCode.ok
}
