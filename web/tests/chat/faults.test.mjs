// What goes wrong between the page and its server is told in one line, with a way on. Needs the stand-in's commands.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, finished, lastTokens, misdeeds, openPage, url } from './pages.mjs';

const AGAIN = [
  ['!429', /more to do than it can: 64 requests wait/],
  ['!503', /cannot answer now: 64 requests wait/],
  ['!cut', /connection was lost after 5 tokens/],
  ['!reset', /connection was lost after \d tokens/],
  ['!dead', /broke off after 5 tokens: the engine ended/],
  ['!garbage', /broke off after 5 tokens: it sent an event that is no JSON/],
];

for (const [command, line] of AGAIN)
  test(`${command} is told, and trying again helps`, async () => {
    const { tab, seen } = await openPage();
    const prompt = `${command} ${Math.random()}`;
    await ask(tab, prompt);
    assert.match(await tab.textContent('.trouble-line'), line);
    assert.equal((await tab.$$('.trouble-line')).length, 1);
    if (/cut|dead|garbage/.test(command)) assert.equal((await lastTokens(tab)).length, 5);
    else if (command === '!reset') assert.ok((await lastTokens(tab)).length > 0);
    else assert.match(await tab.textContent('.trouble-line button'), /Try again in 1 s/);
    await tab.click('.trouble-line button:not([disabled])');
    await tab.waitForFunction(() => document.querySelectorAll('.trouble-line').length === 0);
    await finished(tab);
    assert.ok((await lastTokens(tab)).length > 5);
    assert.deepEqual(await misdeeds(tab, seen), []);
  });

test('what stays wrong stays told: nothing there, a proxy’s own page, numbers that ran over', async () => {
  const { tab, seen } = await openPage();
  for (const [command, line] of [
    ['!away', /server cannot be reached/],
    ['!page', /server failed \(502\)/],
    ['!nan', /numbers ran over/],
    ['!413', /more than the server takes at once: the body is larger than 2 MB/],
  ]) {
    await ask(tab, command);
    assert.match(await tab.textContent('article:last-of-type .trouble-line'), line);
    assert.ok(await tab.$('article:last-of-type .trouble-line button'));
  }
  await tab.click('article:last-of-type .trouble-line button');
  assert.equal(await tab.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
  assert.deepEqual(await misdeeds(tab, seen), []);
});

test('a refused setting is told at the setting', async () => {
  for (const viewport of [{ width: 1200, height: 860 }, { width: 360, height: 740 }]) {
    const { tab } = await openPage({ viewport });
    await ask(tab, '!400 frequency_penalty');
    await tab.click('text=Go to the setting');
    assert.equal(await tab.evaluate(() => document.activeElement.id), 'knob-frequency_penalty');
    assert.match(await tab.textContent('#wrong-frequency_penalty'), /frequency_penalty is 3, want 0 to 2/);
    await tab.fill('#knob-frequency_penalty', '1');
    assert.equal(await tab.$('#wrong-frequency_penalty'), null);
  }
});

test('after an answer that failed the chat goes on without it', async () => {
  const { tab, seen } = await openPage();
  await ask(tab, '!503');
  await ask(tab, 'And now?');
  assert.deepEqual(seen.posted[1].messages, [{ role: 'user', content: 'And now?' }]);
});

test('the server hears of a stop at once', async () => {
  const { tab } = await openPage();
  const cut = async () => (await (await fetch(`${url}seen`)).json()).cut.length;
  const before = await cut();
  await ask(tab, '!slow 400', { wait: false });
  await tab.waitForSelector('.token');
  await tab.click('.go');
  for (let each = 0; each < 40 && (await cut()) === before; each++) await tab.waitForTimeout(50);
  assert.equal(await cut(), before + 1);
});

test('characters of several tokens are shown whole, and each paragraph runs its own way', async () => {
  const { tab } = await openPage();
  await ask(tab, '!bytes');
  const tokens = await lastTokens(tab);
  assert.equal(tokens.map((each) => each.text).join(''), 'שלום עולם, this is לחם and 面包 😀.↵\n.');
  assert.ok(tokens.some((each) => each.text === '' && each.back));
  const [first, end] = await tab.$$eval('.written .token', (all) => [all[1].getBoundingClientRect().right, all.at(-3).getBoundingClientRect().left]);
  assert.ok(first > end, 'the first letter stands to the right');
});

test('a server that is away when the page opens is asked again', async () => {
  const { tab } = await openPage();
  await tab.route('**/v1/models', (route) => route.abort());
  await tab.reload();
  await tab.waitForSelector('.away');
  assert.match(await tab.textContent('.away'), /cannot be reached/);
  assert.equal(await tab.isDisabled('.go'), true);
  await tab.unroute('**/v1/models');
  await tab.click('.away button');
  await tab.waitForSelector('.slider');
  await ask(tab);
});
