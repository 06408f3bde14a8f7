// What the reader has chosen: one layer, one domain, one choice for all figures; kept in the address, so that a link shows the same.
import type { Theme } from './colours';
import type { Choice, Report, Run } from './document';

class View {
  run = $state(0);
  other = $state(-1); // the run to compare with
  layer = $state(0); // a place in run.layers
  domain = $state(-1); // -1 is all domains together
  choice = $state<Choice>('first');
  excerpt = $state(0);
  token = $state(-1);
  digits = $state(false);
  theme = $state<Theme>('light');
}

export const view = new View();

export function layerOf(run: Run): number {
  return Math.min(view.layer, run.layers.length - 1);
}

export function restore(report: Report): void {
  const kept = new URLSearchParams(location.hash.slice(1));
  const number = (name: string, most: number, otherwise: number) => {
    const value = Number.parseInt(kept.get(name) ?? '', 10);
    return value >= 0 && value < most ? value : otherwise;
  };
  view.run = number('run', report.runs.length, 0);
  view.other = number('with', report.runs.length, -1);
  if (view.other === view.run) view.other = -1;
  const run = report.runs[view.run];
  view.layer = number('layer', run.layers.length, Math.floor(run.layers.length / 2));
  view.domain = number('domain', run.domains.length - 1, -1);
  view.excerpt = number('text', run.excerpts.length, 0);
  const choice = kept.get('choice');
  view.choice = choice === 'second' || choice === 'either' ? choice : 'first';
  view.digits = run.experts > 8;
}

export function keep(): void {
  const kept = new URLSearchParams({ layer: String(view.layer), choice: view.choice });
  if (view.run > 0) kept.set('run', String(view.run));
  if (view.other >= 0) kept.set('with', String(view.other));
  if (view.domain >= 0) kept.set('domain', String(view.domain));
  if (view.excerpt > 0) kept.set('text', String(view.excerpt));
  try {
    history.replaceState(null, '', `#${kept}`);
  } catch {
    // A page in a sandbox has no address to keep things in.
  }
}
