// Shows what a stream brings in steps that the browser can draw: a long text takes a while to lay out anew, and a token that
// waits for its neighbours is drawn with them.
import { flushSync } from 'svelte';

const LEAST = 30; // ms between two steps
const SHARE = 4; // of the time, one part is for drawing

export class Pace<T> {
  private due: T[] = [];
  private timer: ReturnType<typeof setTimeout> | null = null;
  private pause = 0;

  constructor(private readonly show: (each: T) => void) {}

  take(each: T): void {
    this.due.push(each);
    this.timer ??= setTimeout(() => this.flush(), this.pause);
  }

  /** Shows all that is due, now. */
  flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const began = performance.now();
    for (const each of this.due.splice(0)) this.show(each);
    flushSync();
    this.pause = Math.max(LEAST, (SHARE - 1) * (performance.now() - began));
  }
}
