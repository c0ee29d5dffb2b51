/** The word that stands in the subject of every certificate of a simulated platform, for people who meet one in any
 *  tool and for the check that keeps such roots out of production. */
export const SIMULATED = 'SIMULATED'

/** Whether a distinguished name, as text, belongs to a simulated platform. */
export function isSimulatedName(name: string): boolean {
  return name.toUpperCase().includes(SIMULATED)
}
