/** How strongly attestation is bound to a connection: 0, not at all; 1, to a key: who has stolen the key can pass it
 *  off; 2, to the key exchange of this handshake; 3, to the keys that application data is protected with. */
export type BindingLevel = 0 | 1 | 2 | 3

/** What each level is worth, as a sentence for who decides on it. */
export const bindingMeanings: Readonly<Record<BindingLevel, string>> = {
  0: 'nothing was proved on this connection',
  1: 'the proof is bound to a key: whoever has stolen that key passes it off as their own',
  2: 'the proof is bound to this key exchange: a stolen key is not enough, but the secrets of this handshake are',
  3: 'the proof is bound to the keys that protect the data: neither a stolen key nor the secrets of this handshake are enough',
}
