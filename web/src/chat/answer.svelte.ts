// One answer while it is written and after: its text, its tokens, and the prompt as the model read it.
import { Pieces } from './pieces';
import { Reading } from './reading.svelte';
import type { Trouble } from './trouble';
import type { News } from './wire';

export class Answer {
  text = $state('');
  state = $state<'waiting' | 'writing' | 'done' | 'stopped' | 'failed'>('waiting');
  finish = $state<string | null>(null);
  trouble = $state<Trouble | null>(null);
  seconds = $state(0); // from the request to the last news
  first = $state(0); // from the request to the first token
  readonly prompt = new Reading();
  readonly written = new Reading();
  private readonly began = performance.now();
  private readonly attribution = new Pieces((place, text) => this.written.rewrite(place, text));

  get size(): number {
    return this.written.size;
  }
  get running(): boolean {
    return this.state === 'waiting' || this.state === 'writing';
  }

  take(news: News): void {
    this.seconds = (performance.now() - this.began) / 1000;
    if (news.tokens.length && this.size === 0) this.first = this.seconds;
    this.text += news.text;
    this.prompt.add(news.prompt.tokens, news.prompt.ids);
    this.prompt.read(news.prompt.rows);
    const place = this.size;
    this.written.add(news.tokens, news.ids);
    this.attribution.take(place, news.tokens, news.text);
    this.written.read(news.rows);
    if (news.tokens.length || news.text) this.state = 'writing';
    if (news.finish !== null) this.finish = news.finish;
  }
}
