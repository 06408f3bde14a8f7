// Strings that were written to break a page, as prompts and as tokens of answers, are text and nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, lastTokens, misdeeds, openPage } from './pages.mjs';

const HOSTILE = Number(process.env.OCTAVO_HOSTILE ?? 1000);
const EACH = 100; // strings an answer

test(`${HOSTILE} hostile strings are shown, and none of them runs`, async (t) => {
  const { tab, seen } = await openPage();
  const shown = new Set();
  for (let first = 0; first < HOSTILE; first += EACH) {
    await tab.click(first % 200 ? 'text=Completion' : '.choices >> text=Chat');
    await ask(tab, `!hostile ${first} ${Math.min(EACH, HOSTILE - first)}`);
    for (const { text } of await lastTokens(tab)) shown.add(text);
    await tab.click('article:last-of-type .written .token[data-place="20"]', { force: true });
    assert.match(await tab.textContent('#token-title'), /token 20/);
  }
  await tab.check('.wide >> text=digits');
  await ask(tab, '<img src=x onerror=owned(1)><script>owned(2)</script> \u202eabc');
  await tab.uncheck('.wide >> text=colours');
  await tab.waitForTimeout(300);

  const ran = await tab.evaluate(() => window.ran.length);
  t.diagnostic(`hostile ${JSON.stringify({ missing: Math.max(0, HOSTILE - shown.size), ran, misdeeds: (await misdeeds(tab, seen)).length })}`);
  assert.ok(shown.size >= HOSTILE, `${shown.size} texts shown`);
  assert.match(await tab.textContent('article:last-of-type .asked'), /<script>owned\(2\)<\/script> ‹202e›abc/);
  assert.deepEqual([...shown].filter((text) => /[\u0000-\u0008\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u.test(text)), []);
  const strange = await tab.evaluate(() => ({
    scripts: document.scripts.length,
    foreign: document.querySelectorAll('iframe, object, embed, base, body template, math, svg, body style, body link, body meta, body img:not([src="favicon.svg"])').length,
    handlers: [...document.querySelectorAll('#page *')].filter((each) => [...each.attributes].some(({ name, value }) => name.startsWith('on') || /^\s*javascript:/i.test(value))).length,
    prototype: Object.keys(Object.prototype).length,
  }));
  assert.deepEqual(strange, { scripts: 1, foreign: 0, handlers: 0, prototype: 0 });
  assert.deepEqual(await misdeeds(tab, seen), []);
});

test('what the page may not do, the browser refuses', async () => {
  const { tab } = await openPage();
  const refused = await tab.evaluate(async () => {
    const answers = [await fetch('https://example.invalid/').then(() => 'fetched', () => 'refused')];
    const script = document.createElement('script');
    try { script.textContent = 'window.owned(1)'; document.body.append(script); } catch { /* trusted types */ }
    try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.owned(2)">'); } catch { answers.push('no markup from text'); }
    try { document.body.setAttribute('style', 'color: red'); } catch { /* no inline style */ }
    await new Promise((resolve) => setTimeout(resolve, 200));
    return [...answers, window.ran.length, window.violations.some((each) => each.startsWith('connect-src')), getComputedStyle(document.body).color];
  });
  assert.deepEqual(refused.slice(0, 4), ['refused', 'no markup from text', 0, true]);
  assert.notEqual(refused[4], 'rgb(255, 0, 0)');
});
