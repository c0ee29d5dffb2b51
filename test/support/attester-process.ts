import { pipeOverProcess, serveAttester } from '#src/attester/index.js'
import { attesterOf } from './simulated.js'

// The attestation service of a split deployment: a process that has the platform, and no TLS.
serveAttester(attesterOf(), pipeOverProcess(process))
