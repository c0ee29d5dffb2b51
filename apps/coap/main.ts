// `npm run coap`: devices enroll at a service over CoAP, on DTLS 1.3 that both sides trust only after the device has attested
// what it runs. One of them runs something else.
import { createHash } from 'node:crypto'
import { type PlatformKey, SimulatedPsaDevice, SimulatedRoot } from 'attested-tls/attester'
import { report } from 'attested-tls/verifier'
import { selfSigned } from '../demo/certificate.js'
import { bold, dim, green, hasColour, indented, red, say, title, wrapped, yellow } from '../demo/screen.js'
import { Device } from './device.js'
import { startService } from './service.js'

const FIRMWARE = { BL: 'boot loader 1.2', PRoT: 'trusted firmware 2.0', app: 'thermometer 3.1' }
const TAMPERED = { ...FIRMWARE, app: 'thermometer 3.1, that also listens' }

say(bold('attested-tls: devices prove what they run before their service talks CoAP with them, over DTLS 1.3'))
say(yellow('The devices are SIMULATED: they prove nothing, and say so in every certificate and verdict.'))

const maker = SimulatedRoot.create({ now: Date.now() })
const good = { ...selfSigned('thermometer 17'), firmware: FIRMWARE, platform: maker.issue('thermometer 17') }
const bad = { ...selfSigned('thermometer 18'), firmware: TAMPERED, platform: maker.issue('thermometer 18') }
const identity = selfSigned('management service')
const service = await startService({
  ...identity,
  devices: [good.cert, bad.cert],
  firmware: { name: FIRMWARE.app, values: measurementsOf(FIRMWARE) },
  makersRoot: maker.pem,
  say: what => say(indented(`service ▸ ${wrapped(what)}`)),
})
say(dim(`The service listens on UDP port ${service.port} of loopback.`))

const isGoodServed = await enroll(`1. A thermometer runs what it should: ${FIRMWARE.app}`, good)
const isBadServed = await enroll(`2. A thermometer runs something else: ${TAMPERED.app}`, bad)
await service.stop()

say()
if (isGoodServed && !isBadServed) {
  say(`${green('Done.')} The service has configured the one and never heard a word of CoAP from the other.`)
  say(dim('Next: apps/coap has the code, docs/dtls.md explains it.'))
} else {
  say(red('That is not how it should have gone: one device was to be served, the other to be refused.'))
  process.exitCode = 1
}

interface Made {
  readonly key: string
  readonly cert: string
  readonly firmware: Readonly<Record<string, string>>
  readonly platform: PlatformKey
}

/** A device comes to the service for the first time. @returns whether it was served */
async function enroll(name: string, { key, cert, firmware, platform }: Made): Promise<boolean> {
  title(name)
  const components = Object.entries(firmware).map(([type, software]) => ({
    type,
    measurement: digest(software),
    version: undefined,
    signerId: digest('the maker'),
    description: undefined,
  }))
  const attester = new SimulatedPsaDevice({ platform, components })
  try {
    const device = await Device.start({ port: service.port, key, cert, service: identity.cert, attester })
    showVerdict()
    const enrolled = await device.post('/enroll', 'here I am')
    say(indented(`device  ◂ ${enrolled.code} ${enrolled.payload}`))
    const stored = await device.post('/readings', '21.5 °C')
    say(indented(`device  ◂ ${stored.code}`))
    device.stop()
    return true
  } catch (error) {
    say(indented(`device  ◂ ${red(wrapped(error instanceof Error ? error.message : String(error)))}`))
    return false
  }
}

/** What the service knows of the device that came last. */
function showVerdict(): void {
  const { result } = service.peers.newest?.attestation?.peer ?? {}
  if (!result) return
  say('What the service’s Verifier says about the device:')
  say(indented(report(result, { colour: hasColour })))
}

function measurementsOf(firmware: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(firmware).map(([type, software]) => [type, digest(software).toString('hex')]),
  )
}

function digest(software: string): Buffer {
  return createHash('sha256').update(software).digest()
}
