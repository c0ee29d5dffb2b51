import type { Duplex } from 'node:stream'

/** Ends a transport after what was written last, an alert, has had its chance to arrive: a socket that is closed with
 *  unread data makes the kernel take back what it has not sent, and the peer never learns why it was refused. So the
 *  peer's own end is waited for, shortly, and what it still sends is dropped. */
export function linger(transport: Duplex): void {
  if (transport.destroyed) return
  let dropped = 0
  const drop = (chunk: Uint8Array) => {
    dropped += chunk.length
    if (dropped > MAX_DROPPED) transport.destroy()
  }
  const finish = () => {
    clearTimeout(timeout)
    transport.off('data', drop)
    transport.off('end', finish)
    transport.off('close', finish)
    if (!transport.destroyed) transport.destroy()
  }
  const timeout = setTimeout(finish, LINGER)
  timeout.unref()
  // A transport that breaks has nobody left to tell.
  transport.on('error', finish)
  transport.on('data', drop)
  transport.on('end', finish)
  transport.on('close', finish)
  transport.end()
  transport.resume()
}

/** ms: what a peer needs to read an alert and close. */
const LINGER = 1000
const MAX_DROPPED = 2 ** 20

/** Ends a transport when what was written has left, without waiting for the peer. */
export function endTransport(transport: Duplex): void {
  if (transport.destroyed) return
  // Who does not read must not keep the socket open: what is stuck is lost.
  if (transport.writableLength > 0) {
    transport.destroy()
    return
  }
  if (transport.writableFinished) transport.destroy()
  else transport.end(() => transport.destroy())
}
