import { readFileSync } from 'node:fs'
import type { Transport } from '../../attestation/engine.js'

/** A check that is switched off. */
export interface Mutant {
  /** What has to be checked. */
  readonly check: string
  /** The compiled file, under dist/. */
  readonly file: string
  /** What stands there, once, and what stands there instead. */
  readonly from: string
  readonly to: string
  /** The rows of the catalogue that have to notice, each of them. */
  readonly rows: readonly number[]
  readonly over?: Transport
}

/** Where a mutant's file is. */
export function urlOf({ file }: Pick<Mutant, 'file'>): URL {
  return new URL(`../../../../dist/${file}`, import.meta.url)
}

/** How many places of its file read as the mutant says; there is to be one. */
export function placesOf(mutant: Mutant): number {
  return readFileSync(urlOf(mutant), 'utf8').split(mutant.from).length - 1
}

const client = 'attestation/client.js'
const examine = 'attestation/examine.js'
const prove = 'attestation/prove.js'
const participant = 'attestation/participant.js'
const negotiation = 'attestation/hardened/negotiation.js'
const relyingParty = 'attestation/hardened/relying-party.js'
const attester = 'attestation/hardened/attester.js'
const session = 'attestation/hardened/session.js'
const continuity = 'attestation/hardened/continuity.js'
const roles = 'attestation/hardened/roles.js'
const authenticators = 'handshake/exported-authenticator.js'

/** Every check that a Relying Party and an attester must make, by what they are about. */
export const mutants: readonly Mutant[] = [
  // What a Relying Party must check. Policy and negotiation:
  {
    check: 'attestation that is required is there',
    file: participant,
    from: "if (requirement === 'optional')",
    to: 'if (true)',
    rows: [23],
  },
  {
    check: 'the server speaks the profile',
    file: negotiation,
    from: "if (!chosen)\n        throw notSpoken('the server');",
    to: 'if (!chosen)\n        return;',
    rows: [24],
  },
  {
    check: 'the client speaks the profile',
    file: negotiation,
    from: "if (!offer)\n        throw notSpoken('the client');",
    to: 'if (!offer)\n        return { type: 0xffa1, data: new Uint8Array(4) };',
    rows: [24],
  },
  {
    check: 'the version of the profile was offered',
    file: negotiation,
    from: 'if (chosen.version !== HARDENED_VERSION)',
    to: 'if (false)',
    rows: [24],
  },
  {
    check: 'the version of the profile is one that we speak',
    file: negotiation,
    from: 'if (!offer.versions.includes(HARDENED_VERSION))',
    to: 'if (false)',
    rows: [24],
  },
  {
    check: 'what the peer requires can be done',
    file: negotiation,
    from: 'if ((flags & HardenedFlag.requires) === 0 || canAttest)',
    to: 'if (true)',
    rows: [24],
  },
  {
    check: 'the group is one that nobody can steer',
    file: negotiation,
    from: 'if (GROUPS.includes(group))',
    to: 'if (true)',
    rows: [29],
  },
  {
    check: 'the type of Evidence was offered, its kind of credential included',
    file: client,
    from: 'if (!offered.some(entry => isSameEntry(entry, selected)))',
    to: 'if (false)',
    rows: [19, 20],
  },
  {
    check: 'the Verifier was offered',
    file: client,
    from: 'const verifier = offered.find(identity => equalBytes(identity, selected));',
    to: 'const verifier = offered[0];',
    rows: [19],
  },
  // Nonces:
  {
    check: 'our nonce is long enough',
    file: 'attestation/verifier-session.js',
    from: 'if (nonce.length < minLength || nonce.length > 255)',
    to: 'if (nonce.length > 255)',
    rows: [27],
  },
  {
    check: 'our nonce is not zero',
    file: 'attestation/verifier-session.js',
    from: 'if (nonce.every(byte => byte === 0))',
    to: 'if (false)',
    rows: [27],
  },
  {
    check: 'our nonce is used once',
    file: 'attestation/verifier-session.js',
    from: "return this.#seen.has(hex(nonce)) ? 'was used before' : undefined;",
    to: 'return undefined;',
    rows: [27],
  },
  {
    check: 'the peer’s nonce is long enough',
    file: negotiation,
    from: "if (own?.model !== 'background-check' || own.nonce.length >= settings.profile.minNonceLength)",
    to: 'if (true)',
    rows: [27],
  },
  {
    check: 'the peer’s nonce is not ours',
    file: client,
    from: 'if (ownNonce && equalBytes(ownNonce, nonce))',
    to: 'if (false)',
    rows: [27],
  },
  // Where Evidence stands:
  {
    check: 'Evidence is there only where it was agreed on',
    file: examine,
    from: 'if (!isBeside && peer.entries.some(({ extensions }) => extensions.has(certificate)))',
    to: 'if (false)',
    rows: [17],
  },
  {
    check: 'Evidence stands in the first entry alone',
    file: examine,
    from: 'if (others.some(({ extensions }) => extensions.has(certificate)))',
    to: 'if (false)',
    rows: [17],
  },
  {
    check: 'Evidence that stands alone has nothing behind it',
    file: examine,
    from: 'if (!isAlone || !first || others.length > 0)',
    to: 'if (!first)',
    rows: [17],
  },
  {
    check: 'an authenticator has Evidence in its first entry alone',
    file: relyingParty,
    from: 'if (others.some(({ extensions }) => extensions.has(certificate)))',
    to: 'if (false)',
    rows: [40],
  },
  {
    check: 'an empty Certificate does not do',
    file: examine,
    from: "if (!data)\n        throw new AttestationError('ERR_ATTESTATION_PEER_NOT_ATTESTED', 'certificate_required', EMPTY_CERTIFICATE);",
    to: 'if (!data)\n        return null;',
    rows: [26],
  },
  {
    check: 'Evidence is of the type that was agreed on',
    file: examine,
    from: 'if (!isEvidenceOfType(evidence, selected.type))',
    to: 'if (false)',
    rows: [48],
  },
  {
    check: 'results are what was agreed on',
    file: examine,
    from: 'if (!mayBeResults(message))',
    to: 'if (false)',
    rows: [48],
  },
  {
    check: 'Evidence after the handshake is of the type that was agreed on',
    file: relyingParty,
    from: 'if (isEvidenceOfType(message, type))',
    to: 'if (true)',
    rows: [40],
  },
  // The challenge, and the verdict:
  {
    check: 'the challenge that was found is the one of this connection',
    file: examine,
    from: 'equalSecrets(found, challenge)',
    to: 'true',
    rows: [12, 13],
  },
  {
    check: 'a challenge that says nothing does not do',
    file: examine,
    from: 'challenge.length >= minLength && ',
    to: '',
    rows: [12],
  },
  {
    check: 'the Verifier compares the challenge in what was signed',
    file: 'evidence/checks.js',
    from: 'if (equalSecrets(found, expected))',
    to: 'if (true)',
    rows: [13, 14],
  },
  {
    check: 'a verdict is a yes or it is none',
    file: examine,
    from: 'if (result.isAccepted === true)',
    to: 'if (result.isAccepted)',
    rows: [12],
  },
  {
    check: 'a verdict that is a no counts',
    file: examine,
    from: 'if (result.isAccepted === true)',
    to: 'if (true)',
    rows: [12, 47],
  },
  // Appraisal of a simulated platform, whose chain, signature and state stand for those of the others:
  {
    check: 'the platform’s certificate leads to a root',
    file: 'evidence/origin.js',
    from: 'finding: failed({ ...subject, actual, code }, remedy,',
    to: 'finding: passed({ ...subject, actual, code }, remedy,',
    rows: [47],
  },
  {
    check: 'the platform has signed',
    file: 'evidence/simulated/platform.js',
    from: "const isGood = isSignedBy(message, trusted.publicKey, { algorithms: ['ES256'] });",
    to: 'const isGood = true;',
    rows: [47],
  },
  {
    check: 'the key attestation is signed',
    file: 'evidence/kat/format.js',
    from: 'checkKat(kat);',
    to: '',
    rows: [47],
  },
  {
    check: 'the platform vouches for the key attestation key',
    file: 'evidence/kat/format.js',
    from: 'if (isBoundTo(kat, platformNonce))',
    to: 'if (true)',
    rows: [15],
  },
  {
    check: 'the image is one of the reference values',
    file: 'evidence/reference-values.js',
    from: 'mismatch(measurements, set, areRegisters) === null',
    to: 'true',
    rows: [5, 47],
  },
  {
    check: 'nobody can debug it',
    file: 'evidence/reference-values.js',
    from: 'if (!isDebuggable || reference.allowsDebug)',
    to: 'if (true)',
    rows: [47],
  },
  // Keys and names:
  {
    check: 'the Evidence is for the key of the certificate',
    file: examine,
    from: 'if (!equalBytes(attestedKey, certificateKey.spki))',
    to: 'if (false)',
    rows: [16],
  },
  {
    check: 'the Verifier compares the key',
    file: 'evidence/checks.js',
    from: 'if (attested && (!expected || equalBytes(attested, expected.spki)))',
    to: 'if (attested)',
    rows: [16],
  },
  {
    check: 'results and Evidence alone are for some key',
    file: examine,
    from: 'if (!isNeeded)',
    to: 'if (true)',
    rows: [12],
  },
  {
    check: 'the Evidence of an authenticator is for its key',
    file: relyingParty,
    from: 'if (result.attestedKey && !equalBytes(result.attestedKey, aik.spki))',
    to: 'if (false)',
    rows: [40],
  },
  {
    check: 'an authenticator is of the certificate of the handshake, or of a bare key',
    file: relyingParty,
    from: 'if (first && others.length === 0)',
    to: 'if (first)',
    rows: [40],
  },
  {
    check: 'the peer is who was expected',
    file: examine,
    from: 'checkIdentity(settings.expectedIdentity, result, attestedKey ?? certificateKey);',
    to: '',
    rows: [7, 8],
  },
  {
    check: 'and is so after the handshake',
    file: relyingParty,
    from: 'checkIdentity(settings.expectedIdentity, result, this.#peer.publicKey);',
    to: '',
    rows: [7],
  },
  {
    check: 'the certificate is for the name',
    file: 'x509/host.js',
    from: 'if (dnsNames.some(candidate => matches(candidate, host)))',
    to: 'if (true)',
    rows: [6, 55],
  },
  // Signatures of the handshake and of authenticators:
  {
    check: 'CertificateVerify is by the attested key',
    file: 'handshake/certificate-verify.js',
    from: 'if (!key.verify(row.algorithm, signedContent(purpose, transcriptHash), signature))',
    to: 'if (false)',
    rows: [16, 40],
  },
  {
    check: 'Finished of an authenticator is right',
    file: authenticators,
    from: 'if (!equalSecrets(verifyData, this.#finishedKey.mac(digest)))',
    to: 'if (false)',
    rows: [41],
  },
  // Results:
  {
    check: 'results are signed',
    file: 'rats/jws.js',
    from: 'if (error instanceof errors.JOSEError) {',
    to: 'if (error instanceof errors.JOSEError) {\n            return;',
    rows: [46],
  },
  {
    check: 'results have not expired',
    file: 'rats/ear.js',
    from: 'if (ear.expiresAt !== undefined && ear.expiresAt <= now - clockSkewSeconds)',
    to: 'if (false)',
    rows: [46],
  },
  {
    check: 'results are not of the future',
    file: 'rats/ear.js',
    from: 'if (ear.issuedAt > now + clockSkewSeconds)',
    to: 'if (false)',
    rows: [46],
  },
  {
    check: 'results are about a good state',
    file: 'verifier/results.js',
    from: 'if (this.#policy.acceptedTiers.has(status))',
    to: 'if (true)',
    rows: [46],
  },
  // The gate:
  {
    check: 'no data is taken before the gate is open',
    file: 'tls/connection.js',
    from: "if (this.state !== 'open')",
    to: 'if (false)',
    rows: [33],
  },
  {
    check: 'there is no PSK',
    file: 'attestation/attestation.js',
    from: 'forbidsPsk: true',
    to: 'forbidsPsk: false',
    rows: [31],
  },
  {
    check: 'the gate opens when the peer is accepted',
    file: session,
    from: '(relyingParty && !relyingParty.hasAccepted)',
    to: 'false',
    rows: [26, 47],
  },
  // Both directions:
  {
    check: 'the peer does not give back what is ours',
    file: relyingParty,
    from: 'if (isOurs || (ownEvidence && equalBytes(ownEvidence, data)))',
    to: 'if (false)',
    rows: [34],
  },
  // Order, time and continuity:
  {
    check: 'an authenticator has the number of the request',
    file: relyingParty,
    from: 'if (!pending || seq !== this.#seq)',
    to: 'if (!pending)',
    rows: [39],
  },
  {
    check: 'an authenticator answers a request',
    file: relyingParty,
    from: 'if (!pending || seq !== this.#seq) {',
    to: 'if (!pending) return;\n        if (seq !== this.#seq) {',
    rows: [39],
  },
  {
    check: 'an answer comes in time',
    file: session,
    from: "if (alarms.take('answer') && relyingParty?.isWaiting)",
    to: 'if (false)',
    rows: [44],
  },
  {
    check: 'a renewal declined is the end',
    file: relyingParty,
    from: 'if (!authenticator) {',
    to: 'if (!authenticator) {\n            return;',
    rows: [44],
  },
  {
    check: 'the key that attests stays the same',
    file: relyingParty,
    from: 'if (this.#aik && !equalBytes(aik.spki, this.#aik))',
    // Evidence that speaks for a key says the same once more, where there was a key before.
    to: 'this.#aik = undefined;\n        if (false)',
    rows: [43],
  },
  {
    check: 'the platform and its state stay the same',
    file: continuity,
    from: 'if (passing.has(claim) || isSame(old.claims[claim], current.claims[claim]))',
    to: 'if (true)',
    rows: [43],
  },
  {
    check: 'the tier is no lower',
    file: continuity,
    from: 'if (rank(now.status) < rank(before.status))',
    to: 'if (false)',
    rows: [43],
  },
  {
    check: 'the parts are the same',
    file: continuity,
    from: 'if (!old || !current)',
    to: 'if (!old || !current) continue;\n        if (false)',
    rows: [43],
  },
  {
    check: 'the attested key stays the same',
    file: continuity,
    from: 'if (old === current || (old && current && equalBytes(old, current)))',
    to: 'if (true)',
    rows: [43],
  },
  {
    check: 'a Verifier that fails is a no',
    file: examine,
    from: 'const sentence = `the Verifier failed while',
    to: 'return { isAccepted: true, submodules: {}, checks: [], attestedKey: null, challenge: null };\n        const sentence = `the Verifier failed while',
    rows: [51],
  },
  // What an attester must check.
  {
    check: 'Evidence is made only for whom the application admits',
    file: prove,
    from: 'if (settings.admit?.({ remoteAddress, serverName, evidenceType, credential, pending }) ?? true)',
    to: 'if (true)',
    rows: [50],
  },
  {
    check: 'no more Evidence is under way than was set',
    file: 'attestation/quotes.js',
    from: 'if (this.#waiting.size >= waiting)',
    to: 'if (false)',
    rows: [50],
  },
  {
    check: 'no more Evidence is made at a time than was set',
    file: 'attestation/quotes.js',
    from: 'if (this.#running >= concurrent)',
    to: 'if (false)',
    rows: [50],
  },
  {
    check: 'a key is attested only if it is held',
    file: attester,
    from: 'if (!PublicKey.fromSpki(key.publicKey.spki).verify(row.algorithm, PROBE, signature))',
    to: 'if (false)',
    rows: [5],
  },
  {
    check: 'types whose key is software’s are not used',
    file: roles,
    from: '!sameMediaType(type, KAT_MEDIA_TYPE) && ',
    to: '',
    rows: [15],
  },
  {
    check: 'one request at a time',
    file: attester,
    from: "if (this.#unaccepted)\n            throw unexpected('a request came",
    to: "if (false)\n            throw unexpected('a request came",
    rows: [44],
  },
  {
    check: 'requests come in order',
    file: attester,
    from: 'if (seq !== this.#seq)\n            throw illegal(',
    to: 'if (false)\n            throw illegal(',
    rows: [39],
  },
  {
    check: 'requests do not come in a flood',
    file: attester,
    from: 'environment.now() - this.#answeredAt < MIN_GAP',
    to: 'false',
    rows: [44],
  },
  {
    check: 'a request has one number',
    file: attester,
    from: 'if (decode(RequestContext, request.context).seq !== seq)',
    to: 'if (false)',
    rows: [39],
  },
  {
    check: 'a request is of our version',
    file: attester,
    from: 'if (request.extensions.need(hardenedAttestation.certificate_request) !== HARDENED_VERSION)',
    to: 'if (false)',
    rows: [39],
  },
  {
    check: 'a request asks for Evidence',
    file: attester,
    from: 'request.extensions.need(cmwAttestation.certificate_request);',
    to: '',
    rows: [39],
  },
  {
    check: 'the peer is told that there will be no Evidence',
    file: attester,
    from: 'if (!this.#unaccepted && error instanceof AttestationError)',
    to: 'if (false)',
    rows: [44],
  },
  {
    check: 'the acceptance is over our Evidence',
    file: attester,
    from: 'if (!equalSecrets(body, round.acceptance))',
    to: 'if (false)',
    rows: [45],
  },
  {
    check: 'the acceptance has the number of our Evidence',
    file: attester,
    from: 'if (!round || seq !== this.#seq)',
    to: 'if (!round)',
    rows: [45],
  },
  {
    check: 'our data waits for the acceptance',
    file: session,
    from: '(attester && !attester.isAccepted)',
    to: 'false',
    rows: [45],
  },
  {
    check: 'the attester does not wait for ever',
    file: session,
    from: "if (alarms.take('gate') && !isOpen)",
    to: 'if (false)',
    rows: [39],
  },
]
