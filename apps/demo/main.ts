// `npm start`: two processes on loopback, of which one attests to the other in the TLS handshake. First with the software that
// the client expects, then with software that was tampered with, and at last by the draft alone.
import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { get } from 'node:https'
import { fileURLToPath } from 'node:url'
import { AttestationError, AttestedAgent, attestedSocketOf, createVerifier } from 'attested-tls'
import type { AttestationStatus } from 'attested-tls/attestation'
import { report } from 'attested-tls/verifier'
import type { Assignment, Listening, Report } from './ipc.js'
import { bold, dim, green, hasColour, indented, red, say, title, wrapped, yellow } from './screen.js'
import { draft08, hardened, type Way } from './ways.js'

const SOUND = 'payment-service 1.4.2'
const TAMPERED = 'payment-service 1.4.2, with a back door'

say(bold('attested-tls: a confidential VM proves what it runs, inside the TLS 1.3 handshake'))
say(yellow('The platforms are SIMULATED: they prove nothing, and say so in every certificate and verdict.'))

const isSoundServed = await act(`1. The VM runs what the client expects: ${SOUND}`, SOUND, hardened())
const isTamperedServed = await act(`2. The VM runs something else: ${TAMPERED}`, TAMPERED, {
  ...hardened(),
  introduction: 'The same client meets a VM whose Evidence is as genuine, and says that other software runs there.',
})
const isDraftServed = await act('3. The draft alone, both sides, without certificates', SOUND, draft08())

say()
if (!isSoundServed || isTamperedServed || !isDraftServed) {
  say(red('That is not how it should have gone: the VM with the back door has to be refused, and no other.'))
  process.exitCode = 1
} else {
  say(`${green('Done.')} The VM with the back door was refused before any application data moved, the others were not.`)
  say(dim('Next: README.md has a client and a server like those of the first act, in ten lines each.'))
}

/** Starts a VM with that software and asks it for a page. @returns whether it was accepted */
async function act(name: string, workload: string, { introduction, fleet, options }: Way): Promise<boolean> {
  title(name)
  say(wrapped(introduction))
  say()
  const vm = fork(fileURLToPath(new URL('vm.js', import.meta.url)))
  const refusal = refusalOf(vm)
  const server = await assign(vm, { workload, fleet })
  const verifier = createVerifier({
    policy: {
      version: 1,
      name: 'payment service',
      platforms: [
        {
          kind: 'simulated',
          measurements: [{ name: SOUND, values: { workload: createHash('sha256').update(SOUND).digest('hex') } }],
        },
      ],
    },
    roots: { simulated: [server.platformRoot] },
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => {},
  })
  const agent = new AttestedAgent(options(server, verifier))
  say(`What passes, on 127.0.0.1:${server.port}:`)
  try {
    await fetchPage(server.port, agent)
    return true
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error
    say()
    say(red('The client refused the VM:'))
    say(indented(wrapped(error.message)))
    say(`  ${dim(error.code)}`)
    const { code } = await refusal
    say(`What the server saw: ${dim(code)}`)
    return false
  } finally {
    agent.destroy()
    const received = await stop(vm)
    say(dim(`The server has seen ${received} bytes of application data.`))
  }
}

async function fetchPage(port: number, agent: AttestedAgent): Promise<void> {
  const request = get({ host: '127.0.0.1', port, path: '/', agent })
  const [response] = await once(request, 'response')
  const attestation = attestedSocketOf(response)?.attestation
  if (!attestation) throw new Error('the connection has no attestation')
  showVerdict(attestation)
  const body: Buffer[] = []
  for await (const chunk of response) body.push(chunk)
  say(`GET / over that connection: ${response.statusCode}`)
  say(indented(Buffer.concat(body).toString()))
}

function showVerdict({ peer, bindingLevel, bindingMeaning }: AttestationStatus): void {
  say()
  say('What the client’s Verifier says about the VM:')
  if (peer.result) say(indented(report(peer.result, { colour: hasColour })))
  say()
  say(`Binding level ${bindingLevel}:`)
  say(indented(wrapped(bindingMeaning)))
  say()
}

async function assign(vm: ChildProcess, assignment: Assignment): Promise<Listening> {
  vm.send(assignment)
  return next(vm, 'listening')
}

/** The first handshake that came to nothing on the server; never, if none does. */
function refusalOf(vm: ChildProcess): Promise<Report & { readonly type: 'refused' }> {
  const refusal = next(vm, 'refused')
  refusal.catch(() => {})
  return refusal
}

/** Has the VM end. @returns how many bytes of application data it has seen */
async function stop(vm: ChildProcess): Promise<number> {
  if (!vm.connected) return 0
  const closing = next(vm, 'closing')
  const exit = once(vm, 'exit')
  vm.send('stop')
  const { received } = await closing
  await exit
  return received
}

function next<T extends Report['type']>(vm: ChildProcess, type: T): Promise<Report & { readonly type: T }> {
  return new Promise((resolve, reject) => {
    const listen = (received: unknown) => {
      const message = received as Report
      if (message.type !== type) return
      vm.off('message', listen)
      // The type was compared just now.
      resolve(message as Report & { readonly type: T })
    }
    vm.on('message', listen)
    vm.once('exit', code => reject(new Error(`the server’s process ended (${code})`)))
  })
}
