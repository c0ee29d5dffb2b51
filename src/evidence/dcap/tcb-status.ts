/** How Intel's collateral rates a TCB, the best first. The first seven stand in collateral; a quote can come to the
 *  last two besides, when a TD was launched by an older TDX module than the one that runs now, so that launching it
 *  again would do. */
export const tcbStatuses = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
] as const
export type TcbStatus = (typeof tcbStatuses)[number]

/** What collateral may say. */
export type CollateralStatus = Exclude<TcbStatus, 'TDRelaunchAdvised' | 'TDRelaunchAdvisedConfigurationNeeded'>

/** The status of a platform, lowered by that of a part of it: its TDX module or its Quoting Enclave (Intel's
 *  Quote Verification Library, `convergeTcbStatusWithQeTcbStatus`). */
export function converge(platform: CollateralStatus, part: CollateralStatus): CollateralStatus {
  if (platform === 'Revoked' || part === 'Revoked') return 'Revoked'
  if (!isOutOfDate(part)) return platform
  return needsConfiguration(platform) || needsConfiguration(part) ? 'OutOfDateConfigurationNeeded' : 'OutOfDate'
}

/** Whether a better TCB could be had. */
export function isOutOfDate(status: TcbStatus): boolean {
  return status === 'OutOfDate' || status === 'OutOfDateConfigurationNeeded'
}

/** Whether the platform is set up in a way that leaves something open. */
export function needsConfiguration(status: TcbStatus): boolean {
  switch (status) {
    case 'ConfigurationNeeded':
    case 'ConfigurationAndSWHardeningNeeded':
    case 'OutOfDateConfigurationNeeded':
    case 'TDRelaunchAdvisedConfigurationNeeded':
      return true
    default:
      return false
  }
}
