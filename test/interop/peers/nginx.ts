import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Case } from '../cases.js'
import { writeIdentity } from '../identities.js'
import { receive, writeRecords } from '../meeting.js'
import { type Peer, program } from '../peer.js'
import { folderWithCertificates, Program } from '../support.js'

/** nginx before a server of ours, which sends back what it is sent. */
export const nginx: Peer = {
  name: 'nginx',
  needs: [program('nginx', 'apt install nginx')],
  version: () => {
    const { stderr } = spawnSync('nginx', ['-V'], { encoding: 'utf8' })
    return [/nginx\/(\S+)/.exec(stderr)?.[1], /built with (\S+ \S+)/.exec(stderr)?.[1]].join(' with ')
  },
  server: {
    cannot: {
      'key exchange X25519MLKEM768': 'OpenSSL, with which nginx was built, has it from version 3.5 on',
      'external PSK': 'nginx has no option for it',
      'certificate compression': 'nginx has it from version 1.29.1 on',
      'KeyUpdate of theirs': 'nginx answers one, but has no option for it',
    },
    async start(stage, wanted) {
      const path = folderWithCertificates(stage)
      const behind = createServer(async (request, response) => {
        // As a whole: nginx does not go on with a request that is being answered.
        const body = Buffer.concat(await request.toArray())
        response.setHeader('Content-Length', body.length)
        response.end(body)
      })
      stage.after(() => behind.close())
      stage.after(() => behind.closeAllConnections())
      await once(behind.listen(path('behind')), 'listening')
      writeIdentity(path('own.pem'), wanted.serverKey)
      writeFileSync(path('tickets'), randomBytes(80))
      writeFileSync(path('nginx.conf'), configuration(path, wanted))
      const server = new Program(stage, 'nginx', ['-c', path('nginx.conf'), '-p', path('.'), '-e', 'stderr'])
      await server.says(/start worker process|epoll|using the "/)
      return {
        options: { path: path('socket') },
        refusing: { path: path('refusing') },
        omitsCloseNotify: true,
        request: text => `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
        async exchange(socket, { rest, payload }) {
          const back = receive(socket, text => text.endsWith(payload))
          back.catch(() => {})
          await writeRecords(socket, Buffer.from(rest), wanted)
          await back
        },
      }
    },
  },
}

function configuration(path: (name: string) => string, { clientKey, earlyData }: Case): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
master_process off;
pid ${path('pid')};
error_log stderr info;
events {}
http {
  access_log off;
  ${temporary.map(name => `${name}_temp_path ${path(name)};`).join('\n  ')}
  client_max_body_size 4m;
  ssl_protocols TLSv1.3;
  ssl_certificate ${path('own.pem')};
  ssl_certificate_key ${path('own.pem')};
  ssl_client_certificate ${path('ca.pem')};
  ssl_verify_client ${clientKey ? 'on' : 'off'};
  ssl_session_ticket_key ${path('tickets')};
  ssl_early_data ${earlyData ? 'on' : 'off'};
  server {
    listen unix:${path('socket')} ssl;
    server_name localhost;
    location / { proxy_pass http://unix:${path('behind')}; }
  }
  server {
    listen unix:${path('refusing')} ssl;
    ssl_early_data off;
    server_name localhost;
    location / { proxy_pass http://unix:${path('behind')}; }
  }
  server {
    listen unix:${path('socket')} ssl default_server;
    ssl_reject_handshake on;
  }
}
`
}
