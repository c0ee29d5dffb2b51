// The variants, and what ProVerif says of them. `holds` is in the order of PROPERTIES: + holds, - does not.

/** @type {import('./model.mjs').Variant} */
const certificate = {
  credential: 'certificate',
  handshake: 'binder',
  after: 'none',
  leaksKeys: true,
  leaksEphemeral: false,
  checksShares: true,
  isMutual: false,
  expectsIdentity: true,
}
const alone = { ...certificate, credential: 'alone', expectsIdentity: false }
const expat = { ...certificate, handshake: 'none', after: 'exporter' }
const hardened = { ...certificate, handshake: 'RD0', after: 'RD' }

/** Each with its name, what it is, what has to come of it, and whether it takes seconds or minutes.
 *  @type {readonly { name: string, what: string, model: import('./model.mjs').Variant, holds: string, isSlow?: true }[]} */
export const variants = [
  {
    name: 'draft08-alone',
    what: '`draft08`, Evidence alone',
    model: { ...alone, handshake: 'nonce' },
    holds: '------',
  },
  {
    name: 'draft08-alone-safe',
    what: 'the same, no key is stolen',
    model: { ...alone, handshake: 'nonce', leaksKeys: false },
    holds: '--+-+-',
  },
  { name: 'draft08-certificate', what: '`draft08`, Evidence beside X.509', model: certificate, holds: '++++++' },
  {
    name: 'draft08-certificate-ephemeral',
    what: 'the same, ephemeral secrets are stolen too',
    model: { ...certificate, leaksEphemeral: true },
    holds: '+---+-',
  },
  {
    name: 'draft08-certificate-shares',
    what: 'the same, key shares are not checked',
    model: { ...certificate, checksShares: false },
    holds: '+++++-',
  },
  {
    name: 'results',
    what: 'results: what is shown is of no connection',
    model: { ...certificate, handshake: 'none' },
    holds: '-----+',
  },
  { name: 'expat', what: 'an exporter and the key, after the handshake', model: expat, holds: '++++++' },
  {
    name: 'expat-ephemeral',
    what: 'the same, ephemeral secrets are stolen too',
    model: { ...expat, leaksEphemeral: true },
    holds: '+++++-',
  },
  {
    name: 'expat-mutual',
    what: 'the same, both sides attest, under one label',
    model: { ...expat, isMutual: true },
    holds: '++---+',
  },
  {
    name: 'expat-mutual-safe',
    what: 'the same, no key is stolen',
    model: { ...expat, isMutual: true, leaksKeys: false },
    holds: '++--++',
  },
  { name: 'hardened', what: '`hardened`', model: hardened, holds: '++++++', isSlow: true },
  {
    name: 'hardened-ephemeral',
    what: 'the same, ephemeral secrets are stolen too',
    model: { ...hardened, leaksEphemeral: true },
    holds: '+++++-',
    isSlow: true,
  },
  {
    name: 'hardened-shares',
    what: 'the same, key shares are not checked',
    model: { ...hardened, checksShares: false },
    holds: '+++++-',
    isSlow: true,
  },
  {
    name: 'hardened-alone',
    what: 'the same without certificates, which the profile does not have',
    model: { ...alone, handshake: 'RD0', after: 'RD' },
    holds: '+++-+-',
    isSlow: true,
  },
  {
    name: 'hardened-mutual',
    what: '`hardened`, both sides attest',
    model: { ...hardened, isMutual: true },
    holds: '++++++',
    isSlow: true,
  },
]
