import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { writeIdentity } from '../identities.js'
import { type Peer, program } from '../peer.js'
import { folderWithCertificates, Program } from '../support.js'

/** curl, with the library that it was built with. */
export const curl: Peer = {
  name: 'curl',
  needs: [program('curl', 'apt install curl')],
  version: () => (/^curl (\S+).*? ((?:Open|Gnu|Boring|Wolf)\S+)/i.exec(versionText()) ?? []).slice(1).join(' with '),
  client: {
    isHttp: true,
    cannot: {
      'key exchange X25519MLKEM768': 'OpenSSL, with which curl was built, has it from version 3.5 on',
      'external PSK': 'curl has no option for it',
      'early data': 'curl has it from version 8.11 on',
      'certificate compression': 'curl has no option for it',
      'KeyUpdate of theirs': 'curl answers one, but has no option for it',
      '200 records': 'HTTP is answered as a whole',
    },
    async run(stage, wanted, { port, payload }) {
      const path = folderWithCertificates(stage)
      writeFileSync(path('payload'), payload)
      const url = `https://localhost:${port}/`
      const client = new Program(stage, 'curl', [
        ...['--silent', '--show-error', '--fail', '--tlsv1.3', '--cacert', path('ca.pem')],
        ...['--resolve', `localhost:${port}:127.0.0.1`, '--header', 'Connection: close'],
        ...['--data-binary', `@${path('payload')}`, '--output', path('answer')],
        ...(wanted.clientKey ? ['--cert', writeIdentity(path('own.pem'), wanted.clientKey, 'client')] : []),
        ...(wanted.isResumed ? [url, '--output', path('answer')] : []),
        url,
      ])
      if ((await client.ends()) !== 0) throw new Error(client.said)
      if (readFileSync(path('answer'), 'utf8') !== payload) throw new Error('what came back is not what was sent')
    },
  },
}

function versionText(): string {
  return spawnSync('curl', ['--version'], { encoding: 'utf8' }).stdout ?? ''
}
