import type { MessagePort, Worker } from 'node:worker_threads'

/** One end of a channel to the process or thread where the attester is. Messages are JSON texts, so that a socket will
 *  do as well as what Node has for that. */
export interface Pipe {
  send(message: string): void
  /** @param listener is told what came, whatever it is */
  onMessage(listener: (message: unknown) => void): void
  /** @param listener is told, once, that nothing more will come */
  onClose(listener: () => void): void
}

/** A pipe over a MessagePort or a Worker. */
export function pipeOverPort(port: MessagePort | Worker): Pipe {
  return {
    send: message => port.postMessage(message),
    onMessage: listener => void port.on('message', listener),
    // A port closes, a worker exits; neither does the other.
    onClose: listener => void port.once('close', listener).once('exit', listener),
  }
}

/** A pipe to a child process that was started with an IPC channel, or, as `process`, to the parent. */
export function pipeOverProcess(child: ProcessWithChannel): Pipe {
  return {
    send(message) {
      if (!child.send) throw new Error('the process was started without an IPC channel')
      child.send(message)
    },
    onMessage: listener => void child.on('message', listener),
    onClose: listener => void child.once('disconnect', listener),
  }
}

/** What a ChildProcess and `process` have in common. */
export interface ProcessWithChannel {
  send?: ((message: string) => unknown) | undefined
  on(event: 'message', listener: (message: unknown) => void): unknown
  once(event: 'disconnect', listener: () => void): unknown
}
