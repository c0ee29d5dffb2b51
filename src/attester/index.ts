export { type CertificateContent, issueCertificate } from './certificate.js'
export { NoResultError, type PresenterOptions, presenter } from './presenter.js'
export { measured, SimulatedAttester, type SimulatedPlatformOptions } from './simulated-attester.js'
export { type PlatformKey, SimulatedRoot } from './simulated-root.js'
