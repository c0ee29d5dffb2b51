// Models of attested TLS 1.3 for ProVerif: one text, with the differences between the profiles filled in.
//
// The attacker owns the network. There are any number of clients, servers, identities and genuine platforms; every server
// may run on every platform, which is the same image on another machine. All platforms' attestation keys are trusted, and
// all measurements are what the policy wants, so that nothing but the binding is in the way. Handshake messages are sent
// in the clear, which gives the attacker more than it has.

/** What a variant is made of.
 *  @typedef {object} Variant
 *  @property {'certificate' | 'alone'} credential  whether the key is vouched for by a certificate too
 *  @property {'none' | 'nonce' | 'binder' | 'RD0'} handshake  what the Evidence in the handshake is over
 *  @property {'none' | 'exporter' | 'RD'} after  what the Evidence after the handshake is over
 *  @property {boolean} leaksKeys  whether identity keys are stolen
 *  @property {boolean} leaksEphemeral  whether ephemeral secrets of servers are stolen
 *  @property {boolean} checksShares  whether key shares of low order are refused
 *  @property {boolean} isMutual  whether the client attests as well, on the same connection
 *  @property {boolean} expectsIdentity  whether the client knows whom it means */

/** The properties that are asked of every variant, in the order of the queries. */
export const PROPERTIES = /** @type {const} */ (['G2', 'G3', 'agreement', 'injective', 'secrecy', 'no diversion'])

/** A model as ProVerif reads it. @param {Variant} variant */
export function modelOf(variant) {
  return [primitives, events, queries(variant), clientOf(variant), serverOf(variant), mainOf(variant)].join('\n')
}

const primitives = `
free net: channel.
type skey. type pkey. type role. type id.

(* Signatures. *)
fun pk(skey): pkey.
fun sign(skey, bitstring): bitstring.
reduc forall k: skey, m: bitstring; check(pk(k), m, sign(k, m)) = true.

(* Diffie-Hellman, with an element whose secrets everybody knows. *)
type elt.
const g: elt.
const bad: elt.
fun dh(elt, bitstring): elt.
equation forall x: bitstring, y: bitstring; dh(dh(g, x), y) = dh(dh(g, y), x).
fun badres(elt): bitstring.

(* Hashes, HKDF, MACs, encryption. *)
fun h(bitstring): bitstring.
fun ext(bitstring, bitstring): bitstring.
fun kdf(bitstring, bitstring, bitstring): bitstring.
fun mac(bitstring, bitstring): bitstring.
fun senc(bitstring, bitstring): bitstring.
reduc forall k: bitstring, m: bitstring; sdec(k, senc(k, m)) = m.
fun e2b(elt): bitstring [data, typeConverter].
fun p2b(pkey): bitstring [data, typeConverter].
fun r2b(role): bitstring [data, typeConverter].

(* Labels and domains. *)
const zero, lder, lch, lsh, lcf, lsf, lcap, lexp, lhexp, lbind, lep: bitstring.
const labelServer, labelClient, labelAny, domainHandshake, domainAfter: bitstring.
const server, client: role.

(* The key schedule of RFC 8446 §7.1: Handshake Secret, Main Secret, the Handshake Exporter of the draft, the exporter. *)
letfun handshakeSecret(gxy: bitstring) = ext(kdf(ext(zero, zero), lder, zero), gxy).
letfun mainSecret(hs: bitstring) = ext(kdf(hs, lder, zero), zero).
letfun binder(hs: bitstring, hellos: bitstring, n: bitstring) =
  kdf(kdf(kdf(hs, lhexp, h(hellos)), lbind, h(zero)), lep, h(n)).
letfun exporter(ms: bitstring, transcript: bitstring, label: bitstring, x: bitstring) =
  kdf(kdf(kdf(ms, lexp, h(transcript)), label, h(zero)), lep, h(x)).

free measurement: bitstring.
free SECRET: bitstring [private].
table identities(id, skey).
table platforms(skey).
`

const events = `
event LeakedKey(pkey). event LeakedPlatform(pkey). event LeakedEphemeral(elt).
(* Platform, identity, identity key, Evidence, handshake key, application key. *)
event Accepts(pkey, id, pkey, bitstring, bitstring, bitstring).
event Attests(pkey, id, pkey, bitstring, bitstring, bitstring).
event ClientOf(id, bitstring). event ServerOf(id, bitstring).
`

/** @param {Variant} variant */
function queries({ leaksEphemeral }) {
  const one = 'a: pkey, i: id, t: pkey, e: bitstring, k: bitstring, c: bitstring'
  const two = 'a2: pkey, i2: id, t2: pkey, k2: bitstring, c2: bitstring'
  const accepts = 'event(Accepts(a, i, t, e, k, c))'
  return `
(* Sanity: the client accepts somebody at all. Has to be false. *)
query ${one}; ${accepts}.
(* G2: both ends of one piece of Evidence have the same handshake key. *)
query ${one}, ${two}; ${accepts} && event(Attests(a2, i2, t2, e, k2, c2)) ==> k = k2.
(* G3: and the same application key. *)
query ${one}, ${two}; ${accepts} && event(Attests(a2, i2, t2, e, k2, c2)) ==> c = c2.
(* Agreement: whom the client accepts has attested, for these very keys. *)
query ${one}, i2: id; ${accepts} ==> event(Attests(a, i2, t, e, k, c)) || event(LeakedPlatform(a)).
(* Injective: each time anew, and as whom the client means. *)
query ${one}; inj-${accepts} ==> inj-event(Attests(a, i, t, e, k, c)) || event(LeakedPlatform(a)).
(* Secrecy of the application key rests on the platforms' keys${leaksEphemeral ? ' and on the ephemeral ones' : ' alone'}. *)
query ${one}, y: elt; ${accepts} && attacker(c) ==> event(LeakedPlatform(a))${leaksEphemeral ? ' || event(LeakedEphemeral(y))' : ''}.
(* No diversion: both ends of one key exchange mean the same identity. *)
query i1: id, i2: id, z: bitstring; event(ClientOf(i1, z)) && event(ServerOf(i2, z)) ==> i1 = i2.
`
}

/** What the Evidence in the handshake is over; null: there is none. @param {Variant} variant */
function overHandshake({ handshake }) {
  switch (handshake) {
    case 'nonce':
      return 'h((n, p2b(tik)))'
    case 'binder':
      return 'binder(hs, hellos, n)'
    case 'RD0':
      return 'h((domainHandshake, r2b(server), n, binder(hs, hellos, n), p2b(tik)))'
    default:
      return null
  }
}

/** What the Evidence after the handshake is over: the exporter fixes ClientHello...server Finished, so that the transcript
 *  need not be in it once more.
 *  @param {Variant} variant @param {'server' | 'client'} role @param {string} key */
function overConnection({ after, isMutual }, role, key) {
  if (after === 'RD') {
    const label = role === 'server' ? 'labelServer' : 'labelClient'
    return `h((domainAfter, r2b(${role}), x, p2b(${key}), exporter(ms, transcript, ${label}, x)))`
  }
  // Without a second attester there is nobody whose role could be mistaken.
  const label = isMutual ? 'labelAny' : 'labelServer'
  return `h((domainAfter, x, p2b(${key}), exporter(ms, transcript, ${label}, x)))`
}

/** @param {Variant} variant */
function clientOf(variant) {
  const { credential, after, checksShares, isMutual, expectsIdentity } = variant
  const over = overHandshake(variant)
  const name = expectsIdentity ? 'i' : 'named'
  const accepts = evidence => `event Accepts(ak, i, tik, ${evidence}, kch, kc); out(net, senc(kc, SECRET))`
  const afterwards = `
    new x: bitstring; out(net, x);
    in(net, (d1: bitstring, s1: bitstring));
    let (rd1: bitstring, m1: bitstring) = d1 in
    if check(ak, d1, s1) = true then if m1 = measurement then
    if rd1 = ${overConnection(variant, 'server', 'tik')} then
    ${accepts('(d1, s1)')}`
  const attestsItself = `
    | (get platforms(own) in in(net, x: bitstring);
       let d = (${overConnection(variant, 'client', 'ownTik')}, measurement) in out(net, (d, sign(own, d))))`
  return `
let Client(ca: pkey) =
  get identities(i, _) in get platforms(akk) in let ak = pk(akk) in
  ${isMutual ? 'get identities(_, ownKey) in let ownTik = pk(ownKey) in' : ''}
  new x0: bitstring; new cr: bitstring; new n: bitstring;
  let gx = dh(g, x0) in let ch = (cr, gx, n) in out(net, ch);
  in(net, (sr: bitstring, gy: elt));
  ${checksShares ? 'if gy <> bad then' : ''}
  let hellos = (ch, (sr, gy)) in
  let gxy = (if gy = bad then badres(bad) else e2b(dh(gy, x0))) in
  let hs = handshakeSecret(gxy) in let kch = kdf(hs, lch, h(hellos)) in
  in(net, (${expectsIdentity ? '=i' : 'named: id'}, tik: pkey, cs: bitstring, d0: bitstring, s0: bitstring));
  ${credential === 'certificate' ? `if check(ca, (${name}, tik), cs) = true then` : ''}
  ${over ? `let (rd: bitstring, m0: bitstring) = d0 in if check(ak, d0, s0) = true then if m0 = measurement then if rd = ${over} then` : ''}
  let certificate = (hellos, (${name}, tik, cs, d0, s0)) in
  in(net, cv: bitstring); if check(tik, h(certificate), cv) = true then
  let verified = (certificate, cv) in
  in(net, f: bitstring); if f = mac(kdf(kdf(hs, lsh, h(hellos)), lsf, zero), h(verified)) then
  let transcript = (verified, f) in let ms = mainSecret(hs) in let kc = kdf(ms, lcap, h(transcript)) in
  out(net, mac(kdf(kch, lcf, zero), h(transcript)));
  event ClientOf(i, gxy);
  ${after === 'none' ? `${accepts('(d0, s0)')};` : ''}
  ((${after === 'none' ? '0' : afterwards})${isMutual ? attestsItself : ''}).
`
}

/** @param {Variant} variant */
function serverOf(variant) {
  const { after, checksShares, leaksEphemeral } = variant
  const attests = evidence => `event Attests(pk(akk), i, tik, ${evidence}, kch, kc);`
  const afterwards = `
  in(net, x: bitstring);
  let d1 = (${overConnection(variant, 'server', 'tik')}, measurement) in let s1 = sign(akk, d1) in
  ${attests('(d1, s1)')} out(net, (d1, s1))`
  return `
let Server(cak: skey) =
  get identities(i, k) in get platforms(akk) in let tik = pk(k) in let cs = sign(cak, (i, tik)) in
  in(net, (cr: bitstring, gx: elt, n: bitstring));
  ${checksShares ? 'if gx <> bad then' : ''}
  new y0: bitstring; new sr: bitstring; let gy = dh(g, y0) in out(net, (sr, gy));
  (${leaksEphemeral ? '(in(net, =zero); event LeakedEphemeral(gy); out(net, y0)) |' : ''} (
  let hellos = ((cr, gx, n), (sr, gy)) in
  let gxy = (if gx = bad then badres(bad) else e2b(dh(gx, y0))) in
  let hs = handshakeSecret(gxy) in let kch = kdf(hs, lch, h(hellos)) in
  event ServerOf(i, gxy);
  let d0 = (${overHandshake(variant) ?? 'zero'}, measurement) in let s0 = sign(akk, d0) in
  let certificate = (hellos, (i, tik, cs, d0, s0)) in let cv = sign(k, h(certificate)) in
  let verified = (certificate, cv) in
  let f = mac(kdf(kdf(hs, lsh, h(hellos)), lsf, zero), h(verified)) in
  let transcript = (verified, f) in let ms = mainSecret(hs) in let kc = kdf(ms, lcap, h(transcript)) in
  ${after === 'none' ? attests('(d0, s0)') : ''}
  out(net, (i, tik, cs, d0, s0)); out(net, cv); out(net, f);
  in(net, cf: bitstring); if cf = mac(kdf(kch, lcf, zero), h(transcript)) then
  ${after === 'none' ? '0' : afterwards} )).
`
}

/** @param {Variant} variant */
function mainOf({ leaksKeys }) {
  return `
process
  new cak: skey; let ca = pk(cak) in out(net, ca);
  ( !(new i: id; new k: skey; out(net, i); out(net, pk(k)); out(net, sign(cak, (i, pk(k)))); insert identities(i, k))
  | !(new a: skey; out(net, pk(a)); insert platforms(a))
  | !Client(ca) | !Server(cak)
  ${leaksKeys ? '| !(get identities(_, k) in event LeakedKey(pk(k)); out(net, k))' : ''}
  | !(get platforms(a) in event LeakedPlatform(pk(a)); out(net, a)) )
`
}
