import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import { isSimulatedName, pinnedRoots, platforms } from '#src/evidence/index.js'

describe('a pinned root', () => {
  for (const { name, kinds, fingerprint, source, pem } of pinnedRoots) {
    const certificate = new X509Certificate(pem)

    test(`${name} has the fingerprint that it is pinned by`, () => {
      assert.equal(createHash('sha256').update(certificate.raw).digest('hex'), fingerprint)
    })

    test(`${name} has signed itself, and is a CA of that name`, () => {
      assert.ok(certificate.verify(certificate.publicKey))
      assert.ok(certificate.ca)
      assert.ok(certificate.subject.includes(name), certificate.subject)
      assert.ok(!isSimulatedName(certificate.subject))
    })

    test(`${name} is for kinds of platform that are known, and says where it comes from`, () => {
      const known = platforms.map(({ kind }) => kind)
      assert.deepEqual(
        kinds.filter(kind => !known.includes(kind)),
        [],
      )
      assert.equal(new URL(source).protocol, 'https:')
    })
  }
})
