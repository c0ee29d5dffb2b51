import { type Comid, type Corim, MessageError, printable } from '../../rats/index.js'
import type { InstanceKey } from '../endorsements.js'
import { ccaPlatformCorims, ccaRealmCorim, psaCorims } from './arm.js'
import { parsecTpmCorim } from './parsec.js'
import { type CorimProfile, type CorimReference, type CorimRoot, forbidden } from './profile.js'
import { snpCorim } from './sev-snp.js'

/** What a manifest says, in the words that policies are written in. */
export interface CorimContents {
  /** The id of the manifest. */
  readonly id: string
  /** Each complete in itself: of one kind, one of them will do. */
  readonly references: readonly CorimReference[]
  readonly instanceKeys: readonly InstanceKey[]
  readonly roots: readonly CorimRoot[]
}

/** Profiles that are known here. A new one is a file and a row. */
const profiles: readonly CorimProfile[] = [...psaCorims, ...ccaPlatformCorims, ccaRealmCorim, snpCorim, parsecTpmCorim]

/** Reads the statements of a manifest as its profile has them. Endorsed values and statements that hold under conditions
 *  are not used: what they would add to, is added nothing to.
 *  @throws MessageError ERR_RATS_PROFILE if it names no profile or one that is not known here: then nobody knows what it
 *    says; ERR_RATS_CLAIM if it says something that its profile forbids */
export function contentsOfCorim(corim: Corim): CorimContents {
  const profile = profiles.find(({ name }) => name === corim.profile)
  if (!profile) {
    const which =
      corim.profile === undefined
        ? 'names no profile'
        : `is of the profile ${printable(corim.profile)}, which is not known`
    throw new MessageError('ERR_RATS_PROFILE', `the CoRIM ${which}`)
  }
  const anchors = corim.comids.flatMap(comid => anchorsOf(comid, profile))
  return {
    id: corim.id,
    references: corim.comids.flatMap(({ referenceValues }) =>
      referenceValues.flatMap(triple => {
        const { group, layer, index } = triple.environment
        // What no report tells could be compared with nothing.
        if (group || layer !== undefined || index !== undefined) {
          throw forbidden('reference values are for a group, layer or index, which no platform tells')
        }
        return profile.reference(triple)
      }),
    ),
    instanceKeys: anchors.flatMap(anchor => ('instanceKey' in anchor ? [anchor.instanceKey] : [])),
    roots: anchors.flatMap(anchor => ('root' in anchor ? [anchor.root] : [])),
  }
}

function anchorsOf({ attestKeys, identityKeys }: Comid, profile: CorimProfile) {
  if (identityKeys.length > 0) throw forbidden('the profile has no identity keys')
  return attestKeys.map(triple => {
    if (!profile.anchor) throw forbidden('the profile has no trust anchors')
    return profile.anchor(triple)
  })
}
