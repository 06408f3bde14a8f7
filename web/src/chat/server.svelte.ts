// The server that this page came from: its models, its key, its bounds, and how loaded its experts are.
import { readBounds, sampling } from './sampling.svelte';
import { Refusal, troubleOf } from './trouble';
import { fetchJson } from './wire';

const KEPT = 'octavo-key';
const SOON = 2000; // ms between two looks at the load while an answer is written
const LATER = 10_000;

export interface LayerLoad {
  layer: number;
  tokens: number;
  expert_share: number[];
  entropy_bits: number;
  max_violation: number;
}

class Server {
  key = $state('');
  state = $state<'asking' | 'locked' | 'ready' | 'away'>('asking');
  line = $state(''); // why not ready
  models = $state.raw<string[]>([]);
  model = $state('');
  layers = $state.raw<LayerLoad[]>([]); // over the last seconds, or since the start where those saw no token
  window = $state(0); // those seconds, 0 since the start

  /** Asks who is there; says so in ``state`` and ``line``. */
  async connect(): Promise<void> {
    try {
      const { data } = (await fetchJson('v1/models', this.key)) as { data: { id: string }[] };
      this.models = data.map((each) => each.id);
      if (!this.models.includes(this.model)) this.model = this.models[0] ?? '';
      [this.state, this.line] = ['ready', ''];
    } catch (error) {
      const locked = error instanceof Refusal && (error.status === 401 || error.status === 403);
      const known = locked && this.key !== '';
      this.state = locked ? 'locked' : 'away';
      this.line = known ? 'The server does not know this key.' : locked ? '' : troubleOf(error, 0).line;
      return;
    }
    await Promise.all([this.look(), this.learnBounds()]);
  }

  /** Takes a key for this tab; it is forgotten when the tab is closed, and stands nowhere else. */
  async unlock(key: string): Promise<void> {
    this.key = key.trim();
    try {
      if (this.key) sessionStorage.setItem(KEPT, this.key);
      else sessionStorage.removeItem(KEPT);
    } catch {
      // A browser that keeps nothing asks again after a reload.
    }
    await this.connect();
  }

  recall(): void {
    try {
      this.key = sessionStorage.getItem(KEPT) ?? '';
    } catch {
      this.key = '';
    }
  }

  async look(): Promise<void> {
    try {
      const stats = (await fetchJson('v1/routing/stats', this.key)) as Record<'window' | 'since_start', { seconds?: number; layers: LayerLoad[] }>;
      const lately = stats.window.layers.some((each) => each.tokens > 0);
      this.layers = (lately ? stats.window : stats.since_start).layers;
      this.window = lately ? (stats.window.seconds ?? 0) : 0;
    } catch {
      // The load is an extra: without it the page shows that of its own answers.
    }
  }

  private async learnBounds(): Promise<void> {
    try {
      sampling.bounds = readBounds(await fetchJson('openapi.json', this.key));
    } catch {
      sampling.bounds = {}; // Then the server says what is out of bounds, when it is asked.
    }
  }
}

export const server = new Server();

/** Looks at the load again and again, more often while ``busy``; returns how to stop. */
export function followLoad(busy: boolean): () => void {
  const timer = setInterval(() => document.hidden || server.state !== 'ready' || void server.look(), busy ? SOON : LATER);
  return () => clearInterval(timer);
}
