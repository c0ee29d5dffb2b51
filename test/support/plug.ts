import { opaque } from '#src/bytes/index.js'
import { type ExtensionRow, extension, extensionValue, type Plug, type View } from '#src/handshake/index.js'

/** An extension that no RFC knows, in every message that a plug can put it into. */
export const testExtension = extension(0xfe01, 'test_extension', {
  client_hello: opaque(0, 255),
  encrypted_extensions: opaque(0, 255),
  certificate: opaque(0, 255),
})

const rows: readonly ExtensionRow[] = [testExtension.row]
export const TEST_ALERT = 224

/** A plug that does nothing but say what it is asked, in `calls`; a test overrides what it is about. */
export function testPlug(changes: Partial<Plug> = {}): Plug & { readonly calls: string[]; readonly views: View[] } {
  const calls: string[] = []
  const views: View[] = []
  const seen = (name: string, view?: View) => {
    calls.push(name)
    if (view) views.push(view)
  }
  const plain: Plug = {
    extensions: rows,
    alertNames: new Map([[TEST_ALERT, 'test_alert']]),
    *offer({ clientCertificateTypes, serverCertificateTypes }) {
      seen('offer')
      const value = extensionValue(testExtension.client_hello, Uint8Array.of(1))
      return { extensions: [value], clientCertificateTypes, serverCertificateTypes }
    },
    *answer(view) {
      seen('answer', view)
      return {
        extensions: [extensionValue(testExtension.encrypted_extensions, Uint8Array.of(2))],
        needsCertificateRequest: false,
        serverCertificateType: undefined,
        clientCertificateType: undefined,
      }
    },
    accept(view) {
      seen('accept', view)
      return { needsCertificateRequest: false }
    },
    certificateType: () => undefined,
    *prove(view, own) {
      seen('prove', view)
      return own
    },
    *examine(view) {
      seen('examine', view)
      return null
    },
    complete() {
      seen('complete')
    },
    saveSession: () => Uint8Array.of(1),
    restoreSession: () => true,
  }
  return { ...plain, ...changes, calls, views }
}

/** A promise and the two ways to end it. */
export function deferred<T>(): { promise: Promise<T>; resolve(value: T): void; reject(error: Error): void } {
  let resolve: (value: T) => void = () => undefined
  let reject: (error: Error) => void = () => undefined
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
