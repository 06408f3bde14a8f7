// A text of which each token was routed: a prompt as it is read, or an answer as it is written.
import { Flag } from '../lib/document';
import type { Routed } from '../lib/routed';

const LEFT_OUT = -1; // the expert of a token that none has read

/** How tokens went through the layers, one row each: L layers of K experts and weights in rank order, and of E logits. */
export interface Rows {
  experts: number[][][];
  weights: number[][][];
  logits: number[][][];
}

class Route {
  readonly expert: Int32Array;
  readonly weight: Float32Array;
  readonly logits: Float32Array | null;

  constructor(rows: Rows, place: number) {
    this.expert = Int32Array.from(rows.experts[place].flat());
    this.weight = Float32Array.from(rows.weights[place]?.flat() ?? []);
    this.logits = rows.logits[place]?.length ? Float32Array.from(rows.logits[place].flat()) : null;
  }
}

export class Reading implements Routed {
  readonly start = 0;
  readonly weighted = true;
  private pieces = $state<string[]>([]);
  private routes = $state<Route[]>([]);
  private ids: number[] = [];
  private num = $state({ layers: 0, chosen: 0, experts: 0 });
  private counts: number[][] = [];
  private counted = $state(0);

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
  /** Tokens that experts have read. */
  get numRead(): number {
    return this.counted;
  }

  add(pieces: readonly string[], ids: readonly number[]): void {
    for (const piece of pieces) this.pieces.push(piece);
    this.ids.push(...ids);
  }

  /** What a token wrote, where that is known better than from the token alone. */
  rewrite(token: number, text: string): void {
    this.pieces[token] = text;
  }

  read(rows: Rows): void {
    rows.experts.forEach((chosen_LK, place) => {
      const route = new Route(rows, place);
      if (this.num.layers === 0) this.num = { layers: chosen_LK.length, chosen: chosen_LK[0]?.length ?? 0, experts: route.logits ? route.logits.length / chosen_LK.length : 0 };
      this.routes.push(route);
      if (route.expert[0] === LEFT_OUT) return;
      chosen_LK.forEach((chosen, layer) => {
        const counts = (this.counts[layer] ??= Array(this.num.experts).fill(0));
        for (const expert of chosen) counts[expert] = (counts[expert] ?? 0) + 1;
      });
      this.counted++;
    });
  }

  /** How often each expert of a layer was chosen. */
  load(layer: number): number[] {
    return this.counted ? Array.from(this.counts[layer] ?? [], (each) => each ?? 0) : [];
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
