import { SimulatedAmd } from '#src/attester/index.js'
import { hex } from '#src/bytes/index.js'
import { readPck } from '#src/evidence/dcap/pck.js'
import { contentsOfCorim, type EndorsementNeed, openCorim, readKdsAnswer, readPcsAnswer } from '#src/evidence/index.js'
import { endorsementKeyOf } from '#src/evidence/sev-snp/endorsement-key.js'
import { type CborValue, encodeCbor, Tagged } from '#src/rats/index.js'
import { policyOfCorims, rootsOfCorims } from '#src/verifier/index.js'
import { parseCertificate } from '#src/x509/index.js'
import { collateral, platform as intelPlatform } from '../../test/support/intel.js'
import { NOON, newKey } from '../../test/support/simulated.js'
import type { Form, Target } from '../target.js'
import { decoder } from './decoder.js'

const amd = new SimulatedAmd({ now: NOON, line: 'genoa' })
const platform = amd.platform({ tcb: { bootloader: 10, tee: 0, snp: 23, microcode: 84 } })
const [vcek = new Uint8Array(0), ask = new Uint8Array(0)] = platform.chain
const { chipId } = platform.fields
const tdx = collateral.tdx

/** Endorsements, as services answer who asks for them, and what is read out of the certificates of platforms. */
export const endorsementTargets: readonly Target[] = [
  manifests(),
  kds('vcek', 'der', { line: 'genoa', chip: hex(chipId), tcb: '0a00000000001754' }, [vcek, ask]),
  kds('issuer', 'text', { line: 'genoa', key: 'vcek' }, [Uint8Array.from(Buffer.from(pem(ask) + amd.rootPem))]),
  kds('crl', 'der', { line: 'genoa' }, [amd.revocationList({ issuedAt: NOON })]),
  pcs('tcb-info', 'json', { tee: 'tdx', fmspc: JSON.parse(tdx.tcbInfo).tcbInfo.fmspc.toLowerCase() }, [
    Uint8Array.from(Buffer.from(tdx.tcbInfo)),
  ]),
  pcs('qe-identity', 'json', { tee: 'tdx' }, [Uint8Array.from(Buffer.from(tdx.qeIdentity))]),
  pcs('pck-crl', 'der', { ca: 'platform' }, crlForms(tdx.pckCrl)),
  pcs('root-crl', 'der', {}, crlForms(tdx.rootCrl)),
  decoder({
    name: 'endorsement:dcap-issuer-chain',
    form: 'text',
    seeds: () => [Uint8Array.from(Buffer.from(chainOf('dcap-tcb-info')))],
    decode: bytes =>
      readPcsAnswer(
        { kind: 'dcap-qe-identity', parameters: { tee: 'tdx' } },
        { body: Uint8Array.from(Buffer.from(tdx.qeIdentity)), issuerChain: Buffer.from(bytes).toString('latin1') },
      ).issuedAt,
  }),
  decoder({
    name: 'endorsement:vcek-extensions',
    form: 'der',
    seeds: () => platform.chain,
    decode: bytes => endorsementKeyOf(parseCertificate(bytes)),
    describe: ({ kind, line }) => `${kind} ${line}`,
  }),
  decoder({
    name: 'endorsement:pck-extensions',
    form: 'der',
    seeds: () => intelPlatform.chain,
    decode: bytes => readPck(parseCertificate(bytes)),
  }),
]

/** Statements of a manifest, as the profile that it names has them. */
function manifests(): Target {
  const seeds = manifestSeeds()
  return decoder({
    name: 'corim:contents',
    form: 'cbor',
    weight: 2,
    seeds: () => seeds,
    decode: bytes => {
      const contents = contentsOfCorim(openCorim(bytes, { at: NOON, dangerouslyAllowUnsigned: true }))
      return { contents, policy: policyOfCorims([contents]) }
    },
    check: ({ contents }) => void rootsOfCorims([contents]),
    describe: ({ contents: { references, instanceKeys, roots } }) =>
      `${references.map(({ kind }) => kind).join()} ${instanceKeys.length} ${roots.length}`,
  })
}

type Members = ReadonlyMap<number, CborValue>

function manifestSeeds(): readonly Uint8Array[] {
  const bytes = (length: number, fill: number) => new Tagged(560, new Uint8Array(length).fill(fill))
  const digests = [[1, new Uint8Array(32).fill(1)]] as CborValue
  const classed = (id: CborValue, more: readonly (readonly [number, CborValue])[] = []): Members =>
    new Map<number, CborValue>([[0, new Map([[0, id]])], ...more])
  const measured = (key: CborValue, values: readonly (readonly [number, CborValue])[]): Members =>
    new Map<number, CborValue>([
      [0, key],
      [1, new Map(values)],
    ])
  const instance = new Tagged(550, Uint8Array.of(1, ...new Uint8Array(32).fill(6)))
  const { spki } = newKey().publicKey
  const key = new Tagged(
    554,
    `-----BEGIN PUBLIC KEY-----\n${Buffer.from(spki).toString('base64')}\n-----END PUBLIC KEY-----\n`,
  )
  const arm = (name: string): Members =>
    new Map<number, CborValue>([
      [
        0,
        [
          [
            classed(bytes(32, 5)),
            [
              measured(name, [
                [2, digests],
                [11, 'BL'],
                [13, [bytes(32, 7)]],
              ]),
            ],
          ],
        ],
      ],
      [3, [[classed(bytes(32, 5), [[1, instance]]), [key]]]],
    ])
  const older: Members = new Map<number, CborValue>([
    [
      0,
      [
        [
          classed(new Tagged(600, new Uint8Array(32).fill(5))),
          [
            measured(
              new Tagged(
                601,
                new Map<number, CborValue>([
                  [1, 'BL'],
                  [4, '2.1.0'],
                  [5, new Uint8Array(32)],
                ]),
              ),
              [[2, digests]],
            ),
          ],
        ],
      ],
    ],
  ])
  const realm: Members = new Map<number, CborValue>([
    [
      0,
      [[new Map<number, CborValue>([[1, bytes(32, 1)]]), [measured('cca.rim', [[14, new Map([['rim', [digests]]])]])]]],
    ],
  ])
  const manifest = (profile: string, triples: Members) =>
    encodeCbor(
      new Tagged(
        501,
        new Map<number, CborValue>([
          [0, 'a manifest'],
          [
            1,
            [
              new Tagged(
                506,
                encodeCbor(
                  new Map<number, CborValue>([
                    [1, new Map([[0, 'a module']])],
                    [4, triples],
                  ]),
                ),
              ),
            ],
          ],
          [3, profile],
        ]),
      ),
    )
  return [
    manifest('tag:arm.com,2025:psa#1.0.0', arm('psa.software-component')),
    manifest('tag:arm.com,2025:cca_platform#1.0.0', arm('cca.software-component')),
    manifest('http://arm.com/psa/iot/1', older),
    manifest('tag:arm.com,2025:cca_realm#1.0.0', realm),
    manifest('tag:amd.com,2024:snp-corim-profile', realm),
  ]
}

function kds(
  name: string,
  form: Form,
  parameters: EndorsementNeed['parameters'],
  seeds: readonly Uint8Array[],
): Target {
  return decoder({
    name: `endorsement:sev-snp-${name}`,
    form,
    seeds: () => seeds,
    decode: bytes => readKdsAnswer({ kind: `sev-snp-${name}`, parameters }, bytes).issuedAt,
  })
}

function pcs(
  name: string,
  form: Form,
  parameters: EndorsementNeed['parameters'],
  seeds: readonly Uint8Array[],
): Target {
  const kind = `dcap-${name}`
  return decoder({
    name: `endorsement:${kind}`,
    form,
    seeds: () => seeds,
    decode: body => readPcsAnswer({ kind, parameters }, { body, issuerChain: chainOf(kind) }).issuedAt,
  })
}

/** The header with the chain of the signer, as the services encode it. */
function chainOf(kind: string): string {
  const chain = kind === 'dcap-tcb-info' ? tdx.tcbInfoIssuerChain : tdx.qeIdentityIssuerChain
  return encodeURIComponent(String(chain))
}

/** In DER, and in hex as a PCCS gives it. */
function crlForms(crl: Uint8Array): readonly Uint8Array[] {
  return [crl, Uint8Array.from(Buffer.from(hex(crl)))]
}

function pem(der: Uint8Array): string {
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
}
