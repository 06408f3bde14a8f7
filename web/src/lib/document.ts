// What the report's data is: written by octavo/analysis/report, read here. NaN stands where a statistic has no value.
// Letters as everywhere in Octavo: L layers, D domains (the last is all of them together), E experts, K chosen, T tokens.
import { Grid, revive } from './grid';

export type Choice = 'first' | 'second' | 'either';
export type Pairing = 'first' | 'either';

export interface Domain {
  name: string;
  tokens: number;
  documents: number;
}

export interface Share {
  value: Grid; // D L E
  lo: Grid | null;
  hi: Grid | null;
}

export interface Repetition {
  value: Grid; // D L
  lo: Grid | null;
  hi: Grid | null;
  marginal: Grid | null; // what independent draws of the observed choices give
  shuffle: Grid | null;
  n: Grid; // pairs
  uniform: number;
}

export interface Excerpt {
  domain: number;
  name: string;
  document: number;
  start: number; // position of its first token in the document
  text: Grid; // T, places in the strings
  route: Grid; // L T, codes Σ expert_j · E^(K−1−j), or L T K, the experts themselves
  expert: Grid; // L T K, in rank order: made of the routes when the page opens
  weight: Grid | null; // L T, the first choice's, in 255ths
  flag: Grid; // T
}

export interface Cards {
  token: Grid; // L E N, places in the strings, 4294967295 where there are fewer
  count: Grid; // L E N, occurrences that the expert read
  of: Grid; // L E N, occurrences in all
  contexts: { text: Grid; domain: Grid } | null; // L E C 3: what stands before, the token, what follows; L E C
  minimum: number;
  choice: Choice;
}

export interface Vocabulary {
  token: Grid; // V, places in the strings
  n: Grid; // V, occurrences
  count: Grid; // L V E
  choice: Choice;
}

export interface Transitions {
  count: Grid; // L-1 E E
  information: Grid | null; // L-1, bits
  n: number;
}

export interface Line {
  domain: string;
  value: Grid; // L
  lo: Grid | null;
  hi: Grid | null;
  nulls: { name: string; value: Grid }[];
  n: number;
}

export interface Distance {
  value: Grid; // L D D, bits, without the last domain
  shuffle: Grid | null; // L D D, when documents change their labels at random
  p: Grid | null; // L D D, the share of such divergences that are as large
}

export interface Course {
  statistic: string;
  title: string;
  meaning: string;
  unit: 'share' | 'number' | 'bits' | 'nats';
  against?: string; // the other trace, where the statistic compares two
  lines: Line[];
}

export interface Placement {
  devices: number;
  way: string;
  value: Grid; // D L, most loaded device over the mean
}

export interface Run {
  name: string;
  path: string;
  facts: [string, string][];
  counted: string;
  intervals: string;
  experts: number;
  chosen: number;
  layers: number[];
  ranked: boolean | null;
  domains: Domain[];
  share: Partial<Record<Choice, Share>>;
  assignments: Grid; // D L, tokens with a known route
  repetition: Partial<Record<Pairing, Repetition>>;
  distance: Partial<Record<Choice, Distance>>;
  sampled: number; // tokens of the first documents of each domain, on which the courses are taken
  excerpts: Excerpt[];
  cards: Cards | null;
  vocabulary: Vocabulary | null;
  transitions: Transitions | null;
  courses: Course[];
  placement: Placement[];
}

export interface Report {
  format: 'octavo-report';
  version: number;
  title: string;
  made: string;
  octavo: string;
  strings: string[];
  runs: Run[];
}

const VERSION = 1;
export const NOWHERE = 4294967295;
export enum Flag {
  BOS = 1,
  SPECIAL = 2,
  MISSING = 4,
  CACHED = 8,
  TIE = 16,
  EDITED = 32,
  UNREAD = 64, // chosen, but nobody has read it: the last token of an answer
}

export function readReport(text: string): Report {
  const report = JSON.parse(text, revive) as Report | null;
  if (report === null) throw new Error('This is the empty template: octavo report writes it with the figures of a trace.');
  if (report.format !== 'octavo-report' || report.version !== VERSION)
    throw new Error(`This page reads version ${VERSION} of a report's data, but holds version ${report.version}.`);
  for (const run of report.runs) for (const excerpt of run.excerpts) excerpt.expert = decode(excerpt.route, run);
  return report;
}

function decode(route: Grid, { experts, chosen }: Run): Grid {
  if (route.shape.length === 3) return route;
  const [layers, tokens] = route.shape;
  const found = new Uint8Array(layers * tokens * chosen);
  for (let each = 0; each < layers * tokens; each++)
    for (let rank = chosen - 1, code = route.values[each]; rank >= 0; rank--, code = Math.floor(code / experts)) found[each * chosen + rank] = code % experts;
  return new Grid(found, [layers, tokens, chosen]);
}
