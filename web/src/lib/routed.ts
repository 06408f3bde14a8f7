// A text whose tokens were routed, whoever recorded it: an excerpt of a trace, or an answer that is still being written.
import { Flag, type Excerpt } from './document';

export interface Routed {
  readonly size: number; // tokens
  readonly chosen: number; // experts a token
  readonly start: number; // position of the first token
  readonly weighted: boolean;
  piece(token: number): string; // its text
  expert(layer: number, token: number, rank: number): number;
  weight(layer: number, token: number): number; // the first choice's, NaN where nobody wrote it down
  flag(token: number): number;
}

const UNKNOWN = Flag.MISSING | Flag.UNREAD;

export const known = (routed: Routed, token: number): boolean => (routed.flag(token) & UNKNOWN) === 0;

export function routedOf(excerpt: Excerpt, strings: readonly string[]): Routed {
  return {
    size: excerpt.text.shape[0],
    chosen: excerpt.expert.shape[2],
    start: excerpt.start,
    weighted: excerpt.weight !== null,
    piece: (token) => strings[excerpt.text.at(token)],
    expert: (layer, token, rank) => excerpt.expert.at(layer, token, rank),
    weight: (layer, token) => (excerpt.weight ? excerpt.weight.at(layer, token) / 255 : NaN),
    flag: (token) => excerpt.flag.at(token),
  };
}

/** Whether a token's first choice is another in another run; one whose route nobody knows is none. */
export function differ(one: Routed, two: Routed, layer: number, token: number): boolean {
  return known(one, token) && known(two, token) && one.expert(layer, token, 0) !== two.expert(layer, token, 0);
}
