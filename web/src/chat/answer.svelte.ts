// One answer while it is written and after: its text, its tokens, and how each was routed.
import { Flag } from '../lib/document';
import type { Routed } from '../lib/routed';
import { Pieces } from './pieces';
import type { Trouble } from './trouble';
import type { News } from './wire';

const LEFT_OUT = -1; // the expert of a token that none has read

/** How one token went through the layers: L·K experts and weights in rank order, L·E router logits where they were told. */
class Route {
  readonly expert: Int32Array;
  readonly weight: Float32Array;
  readonly logits: Float32Array | null;

  constructor(expert: number[][], weight: number[][] | undefined, logits: number[][] | undefined) {
    this.expert = Int32Array.from(expert.flat());
    this.weight = Float32Array.from(weight?.flat() ?? []);
    this.logits = logits?.length ? Float32Array.from(logits.flat()) : null;
  }
}

export class Answer implements Routed {
  text = $state('');
  state = $state<'waiting' | 'writing' | 'done' | 'stopped' | 'failed'>('waiting');
  finish = $state<string | null>(null);
  trouble = $state<Trouble | null>(null);
  seconds = $state(0); // from the request to the last news
  first = $state(0); // from the request to the first token
  id = '';
  readonly start = 0;
  readonly weighted = true;
  private pieces = $state<string[]>([]);
  private routes = $state<Route[]>([]);
  private ids: number[] = [];
  private num = $state({ layers: 0, chosen: 0, experts: 0 });
  private counts: Uint32Array[] = [];
  private counted = $state(0);
  private readonly began = performance.now();
  private readonly attribution = new Pieces((place, text) => (this.pieces[place] = text));

  get size(): number {
    return this.pieces.length;
  }
  get chosen(): number {
    return this.num.chosen;
  }
  get layers(): number {
    return this.num.layers;
  }
  /** Experts a layer, 0 where no logits told. */
  get experts(): number {
    return this.num.experts;
  }
  get running(): boolean {
    return this.state === 'waiting' || this.state === 'writing';
  }

  take(news: News): void {
    this.seconds = (performance.now() - this.began) / 1000;
    if (news.tokens.length && this.size === 0) this.first = this.seconds;
    this.id = news.id;
    this.text += news.text;
    this.ids.push(...news.token_ids);
    const place = this.size;
    for (const piece of news.tokens) this.pieces.push(piece);
    this.attribution.take(place, news.tokens, news.text);
    news.routed_experts.forEach((expert, each) => this.read(new Route(expert, news.routed_weights[each], news.router_logits[each]), expert));
    if (news.tokens.length || news.text) this.state = 'writing';
    if (news.finish !== null) this.finish = news.finish;
  }

  private read(route: Route, expert: number[][]): void {
    if (this.num.layers === 0) this.num = { layers: expert.length, chosen: expert[0]?.length ?? 0, experts: route.logits ? route.logits.length / expert.length : 0 };
    this.routes.push(route);
    if (route.expert[0] === LEFT_OUT) return;
    expert.forEach((chosen, layer) => {
      const most = Math.max(this.num.experts, ...chosen.map((each) => each + 1));
      if (!(this.counts[layer]?.length >= most)) this.counts[layer] = Uint32Array.from({ length: most }, (_, each) => this.counts[layer]?.[each] ?? 0);
      for (const each of chosen) this.counts[layer][each]++;
    });
    this.counted++;
  }

  /** How often each expert of a layer was chosen, for this answer's tokens. */
  load(layer: number): number[] {
    return this.counted ? Array.from(this.counts[layer] ?? []) : [];
  }
  /** Tokens that were read. */
  get readTokens(): number {
    return this.counted;
  }

  tokenId(token: number): number | null {
    return this.ids.length === this.size ? this.ids[token] : null;
  }
  piece(token: number): string {
    return this.pieces[token];
  }
  expert(layer: number, token: number, rank: number): number {
    return this.routes[token].expert[layer * this.num.chosen + rank];
  }
  weight(layer: number, token: number): number {
    return this.routes[token].weight[layer * this.num.chosen] ?? NaN;
  }
  flag(token: number): number {
    const route = this.routes[token];
    return route === undefined || route.expert[0] === LEFT_OUT ? Flag.UNREAD : 0;
  }
  /** The router's probabilities of a layer: the softmax of its logits over all experts. */
  probabilities(layer: number, token: number): number[] | null {
    const logits = this.routes[token]?.logits;
    if (!logits) return null;
    const { experts } = this.num;
    const own = Array.from(logits.subarray(layer * experts, (layer + 1) * experts));
    const most = Math.max(...own);
    const scaled = own.map((each) => Math.exp(each - most));
    const sum = scaled.reduce((one, two) => one + two, 0);
    return scaled.map((each) => each / sum);
  }
}
