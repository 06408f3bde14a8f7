// The chat page for those who hear it or use no mouse: axe-core, the accessibility tree, and what is said as an answer grows.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ask, openPage } from './pages.mjs';

const AXE = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

async function flaws(tab) {
  const { violations } = await tab.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return violations.flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.html.slice(0, 140)} ${node.any[0]?.message ?? ''}`));
}

for (const [name, options] of [
  ['light', {}],
  ['dark', { colorScheme: 'dark' }],
  ['a telephone', { viewport: { width: 360, height: 740 } }],
])
  test(`axe-core finds nothing: ${name}`, async () => {
    const { tab } = await openPage(options);
    await tab.addInitScript(AXE);
    await tab.reload();
    await tab.waitForSelector('.slider');
    assert.deepEqual(await flaws(tab), []);
    await ask(tab);
    assert.deepEqual(await flaws(tab), []);
    await tab.click('.written .token[data-place="2"]');
    assert.deepEqual(await flaws(tab), []);
    for (const layer of [0, 3, 7]) {
      await tab.click(`button[aria-label="go to layer ${layer}"]`);
      assert.deepEqual(await flaws(tab), []);
    }
    await tab.click('#side summary');
    await tab.fill('#knob-top_p', 'x');
    await tab.evaluate(() => document.querySelector('.asked button').click());
    assert.deepEqual(await flaws(tab), []);
  });

test('the accessibility tree has its landmarks, and every control its name', async () => {
  const { tab } = await openPage();
  await ask(tab);
  await tab.click('.written .token[data-place="2"]');
  await tab.click('#side summary');
  const session = await tab.context().newCDPSession(tab);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  const there = nodes.filter((each) => !each.ignored).map((each) => ({ role: each.role?.value, name: each.name?.value ?? '', of: Object.fromEntries((each.properties ?? []).map(({ name, value }) => [name, value.value])) }));
  const named = (role) => there.filter((each) => each.role === role).map((each) => each.name);
  assert.equal(named('banner').length, 1);
  assert.equal(named('main').length, 1);
  assert.deepEqual(named('complementary'), ['Experts and settings']);
  assert.deepEqual(named('form'), ['Write to the model']);
  assert.deepEqual(named('article'), ['Question 1 and its answer']);
  assert.match(named('listbox')[0], /^Answer 1: \d+ tokens in the colours of their experts/);
  assert.ok(named('heading').includes('Experts of layer 4'));
  const controls = there.filter((each) => each.of.focusable && !['RootWebArea'].includes(each.role));
  assert.ok(controls.length > 20);
  assert.deepEqual(controls.filter((each) => each.name.trim() === ''), []);
});

test('an answer is read out in whole sentences, and not more often than one can listen', async () => {
  const { tab } = await openPage();
  await tab.evaluate(() => {
    window.told = [];
    const status = document.querySelector('[role=status]');
    new MutationObserver(() => window.told.push([performance.now(), status.textContent])).observe(status, { characterData: true, childList: true, subtree: true });
  });
  await tab.click('text=Completion');
  await ask(tab, '!slow 160');
  await tab.waitForFunction(() => /The answer is finished, \d+ tokens/.test(document.querySelector('[role=status]').textContent), null, { timeout: 10_000 });
  const told = await tab.evaluate(() => window.told);
  const text = await tab.textContent('article .answer .unseen');
  assert.ok(told.length <= 8, `${told.length} times`);
  for (let each = 1; each < told.length; each++) assert.ok(told[each][0] - told[each - 1][0] > 1500);
  const heard = told.map((each) => each[1]).join('').replace(/The answer is finished.*/, '');
  assert.equal(heard.replace(/\s/g, ''), text.replace(/\s/g, ''));
});
