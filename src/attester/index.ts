export { type CertificateContent, type CrlContent, issueCertificate, issueCrl } from './certificate.js'
export { type Pipe, type ProcessWithChannel, pipeOverPort, pipeOverProcess } from './pipe.js'
export { type FetchingPresenter, NoResultError, type PresenterOptions, presenter } from './presenter.js'
export { RemoteAttesterError, remoteAttester, serveAttester } from './remote.js'
export { SimulatedAmd } from './simulated-amd/amd.js'
export { SimulatedSnpAttester } from './simulated-amd/attester.js'
export { SimulatedAmdPlatform } from './simulated-amd/platform.js'
export {
  encodeSnpReport,
  type SimulatedSnpPlatformFields,
  type SimulatedSnpReport,
  type SimulatedTcb,
} from './simulated-amd/report.js'
export { SimulatedAndroidDevice, type SimulatedKeyDescription } from './simulated-android/device.js'
export { type SimulatedCcaChanges, SimulatedCcaMachine, type SimulatedCcaOptions } from './simulated-arm/cca-machine.js'
export { SimulatedPsaDevice, type SimulatedPsaOptions } from './simulated-arm/psa-device.js'
export { measured, SimulatedAttester, type SimulatedPlatformOptions } from './simulated-attester.js'
export { SimulatedAzureAttester } from './simulated-azure/attester.js'
export { type SimulatedAzureChanges, type SimulatedAzureHardware, SimulatedAzureVm } from './simulated-azure/vm.js'
export { SimulatedIntelAttester, type SimulatedIntelWorkload } from './simulated-intel/attester.js'
export { type SimulatedCollateralOptions, SimulatedIntel, type SimulatedPckOptions } from './simulated-intel/intel.js'
export { SimulatedIntelPlatform } from './simulated-intel/platform.js'
export { type SimulatedSgxReport, type SimulatedTdReport, tdxModuleSvn } from './simulated-intel/report-bodies.js'
export { type SimulatedEnclave, SimulatedNitroAttester } from './simulated-nitro/attester.js'
export { SimulatedNitro, type SimulatedNitroDocument, SimulatedNitroPlatform } from './simulated-nitro/nitro.js'
export { SimulatedGpu, type SimulatedGpuOptions } from './simulated-nvidia/gpu.js'
export { type PlatformKey, SimulatedRoot } from './simulated-root.js'
export { SimulatedTpm, type SimulatedTpmChanges, type SimulatedTpmOptions } from './simulated-tpm/tpm.js'
