import type { Name } from '../../x509/index.js'

/** The lines of processors that make SEV-SNP reports, each with a root of its own. */
export type ProductLine = 'milan' | 'genoa' | 'turin'

/** The line that CPUID family and model belong to (AMD 57230 §3); undefined for one that is not known. */
export function lineOfCpu(family: number, model: number): ProductLine | undefined {
  if (family === 0x19) {
    if (model <= 0x0f) return 'milan'
    if ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)) return 'genoa'
  }
  if (family === 0x1a && model <= 0x11) return 'turin'
  return undefined
}

/** The line that a certificate's productName belongs to: `Milan-B0`, `Genoa`; the stepping has no part in it. */
export function lineOfProductName(name: string): ProductLine | undefined {
  const [line = ''] = name.toLowerCase().split('-')
  return line === 'milan' || line === 'genoa' || line === 'turin' ? line : undefined
}

/** Whose keys a certificate of that name issues, and of which line: `SEV-Milan`, `SEV-VLEK-Milan`; undefined for names
 *  that no such issuer has. */
export function issuerOf(name: Name): { readonly kind: 'VCEK' | 'VLEK'; readonly line: ProductLine } | undefined {
  const match = /\bSEV-(VLEK-)?(Milan|Genoa|Turin)$/.exec(commonNameOf(name))
  const line = lineOfProductName(match?.[2] ?? '')
  return line && { kind: match?.[1] === undefined ? 'VCEK' : 'VLEK', line }
}

/** The line that a root is for: `ARK-Milan`; undefined for names that no root of AMD has. */
export function lineOfRoot(name: Name): ProductLine | undefined {
  return lineOfProductName(/\bARK-(Milan|Genoa|Turin)$/.exec(commonNameOf(name))?.[1] ?? '')
}

function commonNameOf(name: Name): string {
  return name.attribute('2.5.4.3') ?? ''
}
