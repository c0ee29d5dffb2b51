import assert from 'node:assert/strict'
import test from 'node:test'
import { createHttpsServer } from '#src/node/index.js'
import { hasProgram, optional } from '../support/skip.js'
import { folderWithCertificates, Program, pem, portOf } from './support.js'

test('curl fetches over our server', optional('curl', hasProgram('curl'), 'apt install curl'), async t => {
  const path = folderWithCertificates(t)
  const body = 'x'.repeat(300_000)
  const server = createHttpsServer(pem.server, (_request, response) => response.end(body))
  const port = await portOf(t, server)
  const curl = new Program(t, 'curl', [
    ...['--silent', '--show-error', '--fail', '--cacert', path('ca.pem'), '--resolve', `localhost:${port}:127.0.0.1`],
    `https://localhost:${port}/`,
  ])
  assert.equal(await curl.ends(), 0, curl.said)
  assert.equal(curl.said, body)
})
