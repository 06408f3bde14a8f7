// A thousand strings that were written to break a page are shown as what they are, and none of them runs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openBrowser } from './browser.mjs';

const pages = process.env.OCTAVO_PAGES;
let browser;
before(async () => (browser = await openBrowser()));
after(async () => await browser?.close());

test('hostile tokens, names and titles are text and nothing else', async () => {
  const tab = await browser.context.newPage();
  const trouble = [];
  tab.on('dialog', (dialog) => { trouble.push(dialog.message()); dialog.dismiss(); });
  tab.on('pageerror', (error) => trouble.push(error.message));
  tab.on('request', (request) => request.url().startsWith(`file://${pages}/hostile.html`) || request.url().startsWith('data:') || trouble.push(request.url()));
  await tab.addInitScript(() => {
    window.ran = [];
    window.owned = (which) => window.ran.push(which);
    window.alert = window.owned;
  });
  await tab.goto(`file://${pages}/hostile.html`);
  await tab.waitForSelector('figure');

  const wanted = await tab.evaluate(() => {
    const { runs, strings } = JSON.parse(document.getElementById('report').textContent);
    return { excerpts: runs[0].excerpts.length, strings };
  });
  const shown = new Set();
  for (let excerpt = 0; excerpt < wanted.excerpts; excerpt++) {
    await tab.selectOption('#text select', String(excerpt));
    for (const text of await tab.$$eval('#text .token', (all) => all.map((each) => each.textContent))) shown.add(text);
    await tab.click('#text .token:nth-of-type(3)');
  }
  for (const summary of await tab.$$('figure summary')) await summary.click();
  for (const name of ['commonest first', 'surest first']) await tab.click(`text=${name}`);
  await tab.fill('input[type=search]', '<script>');
  await tab.waitForTimeout(300);

  assert.ok(shown.size >= 1000, `${shown.size} texts shown`);
  assert.ok([...shown].some((text) => text.includes('</script><script>owned(')));
  assert.ok([...shown].some((text) => text.includes('‹202e›')));
  // Nothing invisible is left in any token, and nothing that turns the order of what stands beside it.
  assert.deepEqual([...shown].filter((text) => /[\u0000-\u0008\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u.test(text)), []);
  assert.deepEqual(await tab.evaluate(() => window.ran), []);
  assert.deepEqual(trouble, []);
  const strange = await tab.evaluate(() => ({
    scripts: document.scripts.length,
    foreign: document.querySelectorAll('img, iframe, object, embed, form, base, body template, math, body style, body link, body meta').length,
    handlers: [...document.querySelectorAll('#page *')].filter((each) => [...each.attributes].some(({ name, value }) => name.startsWith('on') || /^\s*javascript:/i.test(value))).length,
    prototype: Object.keys(Object.prototype).length,
  }));
  assert.deepEqual(strange, { scripts: 2, foreign: 0, handlers: 0, prototype: 0 });
  await tab.close();
});
