// What the reader has chosen to see: colours of the page, one layer for everything, one token to look into.
import type { Theme } from '../lib/colours';

export type Part = 'prompt' | 'written';
export type Wish = 'system' | Theme;
const KEPT = 'octavo-theme';

class Look {
  wish = $state<Wish>('system');
  system = $state<Theme>('light');
  layer = $state(-1); // a place among the layers, -1 until there are any
  digits = $state(false);
  coloured = $state(true);
  turn = $state(-1); // the turn whose token is open
  part = $state<Part>('written');
  token = $state(-1);
  sheet = $state(false); // on a narrow screen: whether the side panel is up
  readonly theme = $derived<Theme>(this.wish === 'system' ? this.system : this.wish);

  open(turn: number, part: Part, token: number): void {
    [this.turn, this.part, this.token] = [turn, part, token];
    this.sheet = token >= 0;
  }
  close(): void {
    [this.turn, this.token, this.sheet] = [-1, -1, false];
  }
}

export const look = new Look();

/** Follows the system's wish for dark or light, and keeps the reader's own; returns how to stop. */
export function followTheme(): () => void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const follow = () => (look.system = dark.matches ? 'dark' : 'light');
  follow();
  dark.addEventListener('change', follow);
  const kept = keptWish();
  if (kept === 'light' || kept === 'dark') look.wish = kept;
  return () => dark.removeEventListener('change', follow);
}

export function keepTheme(wish: Wish): void {
  try {
    if (wish === 'system') localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, wish);
  } catch {
    // A browser that keeps nothing shows what the system wishes next time.
  }
}

function keptWish(): string | null {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}
