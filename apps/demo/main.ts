// `npm start`: two processes on loopback attest to each other in the TLS handshake. First with the software that the
// client expects, then with software that was tampered with.
import { type ChildProcess, fork } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { get } from 'node:https'
import { fileURLToPath } from 'node:url'
import {
  AttestationError,
  AttestedAgent,
  attestedSocketOf,
  createPresenter,
  createVerifier,
  signingKey,
} from 'attested-tls'
import type { AttestationStatus } from 'attested-tls/attestation'
import { measured, SimulatedAttester, SimulatedRoot } from 'attested-tls/attester'
import { report } from 'attested-tls/verifier'
import { type Assignment, RESULTS_VERIFIER, type Report } from './ipc.js'
import { bold, dim, green, hasColour, indented, red, say, showMessage, title, wrapped, yellow } from './screen.js'

const SOUND = 'payment-service 1.4.2'
const TAMPERED = 'payment-service 1.4.2, with a back door'

say(
  bold('attested-tls: a client and a confidential VM prove to each other what they are, inside the TLS 1.3 handshake'),
)
say(yellow('The platforms are SIMULATED: they prove nothing, and say so in every certificate and verdict.'))

const fleet = makeFleet()
const isSoundServed = await act(`1. The VM runs what the client expects: ${SOUND}`, SOUND)
const isTamperedServed = await act(`2. The VM runs something else: ${TAMPERED}`, TAMPERED)

say()
if (!isSoundServed || isTamperedServed) {
  say(red('That is not how it should have gone: the first VM has to be accepted, the second refused.'))
  process.exitCode = 1
} else {
  say(`${green('Done.')} The first VM was accepted, the second was refused before any application data moved.`)
  say(dim('Next: README.md has a client and a server in ten lines each.'))
}

/** The client's side of the passport model: a Verifier that the server knows too appraises the client once, and the
 *  client presents the result to whomever asks. */
function makeFleet() {
  const root = SimulatedRoot.create({ now: Date.now() })
  const results = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const software = measured('workload', Buffer.from('payment-client 2.0'), '2.0')
  const verifier = createVerifier({
    identity: RESULTS_VERIFIER,
    policy: {
      version: 1,
      name: 'fleet of clients',
      platforms: [{ kind: 'simulated', measurements: [{ values: { workload: hexOf(software.measurement) } }] }],
    },
    roots: { simulated: [root.pem] },
    signingKey: signingKey(results.privateKey),
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => {},
  })
  const attester = new SimulatedAttester({ platform: root.issue('client'), components: [software] })
  return {
    presenter: createPresenter({ attester, verifiers: [verifier] }),
    identityKey: signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    resultsKey: results.publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  }
}

/** Starts a VM with that software and asks it for a page. @returns whether it was accepted */
async function act(name: string, workload: string): Promise<boolean> {
  title(name)
  const vm = fork(fileURLToPath(new URL('vm.js', import.meta.url)))
  const refusal = refusalOf(vm)
  const { port, platformRoot } = await assign(vm, { workload, resultsKey: fleet.resultsKey })
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
    roots: { simulated: [platformRoot] },
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => {},
  })
  const agent = new AttestedAgent({
    host: '127.0.0.1',
    port,
    attestation: {
      profile: 'draft08',
      verifier,
      peerCredentials: ['attestation-only'],
      presenter: fleet.presenter,
      identityKey: fleet.identityKey,
      trace: showMessage,
    },
  })
  say(`The handshake, on 127.0.0.1:${port}:`)
  try {
    await fetchPage(port, agent)
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

function showVerdict({ peer, bindingLevel }: AttestationStatus): void {
  say()
  say('What the client’s Verifier says about the VM:')
  if (peer.result) say(indented(report(peer.result, { colour: hasColour })))
  const words = ['not at all', 'to a key', 'to the key exchange', 'to the keys of the connection'][bindingLevel]
  say(`  bound to this connection: level ${bindingLevel}, ${words}`)
  say()
}

async function assign(vm: ChildProcess, assignment: Assignment): Promise<Report & { readonly type: 'listening' }> {
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

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
