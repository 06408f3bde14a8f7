// The chat page in headless Chromium, on any server that speaks its wire format: asking, looking, going on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, finished, keepShort, lastTokens, misdeeds, openPage } from './pages.mjs';

const number = (text) => Number.parseFloat(text);

test('an answer comes in the colours of its experts, and another layer has others', async () => {
  const { tab, seen } = await openPage();
  await keepShort(tab);
  await ask(tab);
  const middle = await lastTokens(tab);
  assert.ok(middle.length > 5);
  assert.ok(middle.slice(0, -1).every((each) => each.back && /expert \d, then \d/.test(each.said)));
  assert.match(middle.at(-1).said, /read by no expert yet/);
  assert.equal(await tab.textContent('output[for=layer]'), '4');
  await tab.focus('#layer');
  await tab.keyboard.press('ArrowRight');
  assert.equal(await tab.textContent('output[for=layer]'), '5');
  const next = await lastTokens(tab);
  assert.deepEqual(next.map((each) => each.text), middle.map((each) => each.text));
  assert.notDeepEqual(next.map((each) => each.back), middle.map((each) => each.back));
  await tab.check('.wide >> text=digits');
  for (const { digit, said } of (await lastTokens(tab)).slice(0, -1)) assert.ok(said.includes(`expert ${digit}`));
  await tab.uncheck('.wide >> text=colours');
  assert.equal((await tab.$$('.token')).length, 0);
  assert.ok((await tab.textContent('.plain-text')).length > 5);
  assert.deepEqual(await misdeeds(tab, seen), []);
});

test('an open token shows its path, the eight probabilities, the margin and the second choice', async () => {
  const { tab } = await openPage();
  await keepShort(tab);
  await ask(tab);
  await tab.click('.written .token[data-place="3"]');
  const card = '.card:has(#token-title)';
  const path = await tab.$$eval(`${card} .path tbody tr`, (rows) => rows.map((row) => [...row.querySelectorAll('td')].map((each) => each.textContent)));
  assert.equal(path.length, 3);
  assert.ok(path.every((row) => row.length === 8));
  for (const layer of [4, 1]) {
    await tab.click(`${card} button[aria-label="go to layer ${layer}"]`);
    assert.equal(await tab.textContent('output[for=layer]'), String(layer));
    const probabilities = (await tab.$$eval(`${card} .number`, (all) => all.map((each) => each.textContent))).map(number);
    assert.equal(probabilities.length, 8);
    assert.ok(Math.abs(probabilities.reduce((one, two) => one + two, 0) - 100) < 0.5);
    const order = probabilities.map((_, each) => each).sort((one, two) => probabilities[two] - probabilities[one]);
    assert.deepEqual(path.slice(0, 2).map((row) => Number(row[layer])), order.slice(0, 2));
    const said = (await tab.textContent(`${card} .choice`)).replace(/\s+/g, ' ');
    assert.match(said, new RegExp(`first ${order[0]} weighs ${path[2][layer]} % ?second ${order[1]} ?margin`));
    const margin = number(said.match(/margin ([\d.]+) %/)[1]);
    assert.ok(Math.abs(margin - (probabilities[order[0]] - probabilities[order[1]])) < 0.15);
    // The weights of the two chosen are their probabilities, made to sum to one.
    const weight = (100 * probabilities[order[0]]) / (probabilities[order[0]] + probabilities[order[1]]);
    assert.ok(Math.abs(weight - number(path[2][layer])) < 1);
  }
});

test('the prompt is shown as the model read it, and its tokens open too', async () => {
  const { tab } = await openPage();
  await keepShort(tab);
  await tab.click('text=Completion');
  await ask(tab, 'The old captain');
  assert.equal(await tab.$('.prompt .token'), null);
  await tab.click('.prompt-read summary');
  await tab.waitForSelector('.prompt .token');
  const tokens = await tab.$$eval('.prompt .token', (all) => all.map((each) => ({ text: each.textContent, back: each.style.backgroundColor })));
  assert.match(tokens.map((each) => each.text).join(''), /The old captain$/);
  assert.ok(tokens.every((each) => each.back));
  await tab.click('.prompt .token[data-place="1"]');
  assert.match(await tab.textContent('#token-title'), /token 1 of the prompt, id \d+/);
  assert.equal((await tab.$$('.written .token[aria-selected=true]')).length, 0);
  await tab.keyboard.press('Escape');
  assert.equal(await tab.evaluate(() => document.activeElement.closest('.prompt') !== null), true);
});

test('the keyboard reaches one token, goes from token to token, opens one and comes back', async () => {
  const { tab } = await openPage();
  await keepShort(tab);
  await ask(tab);
  assert.equal((await tab.$$('.written .token[tabindex="0"]')).length, 1);
  await tab.focus('.prompt-read summary');
  await tab.keyboard.press('Tab');
  const place = () => tab.evaluate(() => document.activeElement.dataset.place);
  assert.equal(await place(), '0');
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'ArrowRight']) await tab.keyboard.press(key);
  assert.equal(await place(), '2');
  assert.equal(await tab.$('#token-title'), null);
  await tab.keyboard.press('Enter');
  assert.match(await tab.textContent('#token-title'), /token 2/);
  await tab.keyboard.press('ArrowRight');
  assert.match(await tab.textContent('#token-title'), /token 3/);
  assert.equal(await tab.$eval('.written .token[aria-selected=true]', (each) => each.dataset.place), '3');
  await tab.keyboard.press('End');
  assert.match(await tab.textContent('.card:has(#token-title)'), /no expert has read it: it is the last/);
  await tab.keyboard.press('Home');
  await tab.keyboard.press('Escape');
  assert.equal(await tab.$('#token-title'), null);
  assert.equal(await place(), '0');
  assert.notEqual(await tab.$eval('.token:focus', (each) => getComputedStyle(each).outlineStyle), 'none');
});

test('the server is asked for a chat with its history, and for a completion without', async () => {
  const { tab, seen } = await openPage();
  await keepShort(tab);
  await tab.fill('#system', 'Speak of bread.');
  await ask(tab, 'One?');
  await ask(tab, 'Two?');
  const [first, second] = seen.posted;
  assert.deepEqual(first.messages, [{ role: 'system', content: 'Speak of bread.' }, { role: 'user', content: 'One?' }]);
  assert.deepEqual(second.messages.map((each) => each.role), ['system', 'user', 'assistant', 'user']);
  assert.ok(second.messages[2].content.length > 5);
  await tab.click('text=Completion');
  await ask(tab, 'Once upon a time');
  assert.equal(seen.posted[2].prompt, 'Once upon a time');
  assert.equal(seen.posted[2].messages, undefined);
  assert.ok(seen.requests.some((each) => each.endsWith('/v1/completions')));
  assert.ok((await lastTokens(tab)).length > 5);
  for (const body of seen.posted) assert.ok(body.stream && body.routing && body.router_logits);
  await tab.click('text=New chat');
  assert.equal((await tab.$$('article')).length, 0);
});

test('a prompt is edited, an answer written again, and what followed is left behind', async () => {
  const { tab, seen } = await openPage();
  await keepShort(tab);
  await ask(tab, 'One?');
  await ask(tab, 'Two?');
  await tab.click('article:last-of-type >> text=Again');
  await finished(tab);
  assert.deepEqual(seen.posted[2].messages, seen.posted[1].messages);
  await tab.click('article:first-of-type >> text=Edit');
  assert.equal(await tab.evaluate(() => document.activeElement.value), 'One?');
  await tab.keyboard.press('Escape');
  assert.equal((await tab.$$('article')).length, 2);
  await tab.click('article:first-of-type >> text=Edit');
  await tab.fill('article textarea', 'Another?');
  await tab.keyboard.press('Enter');
  await finished(tab);
  assert.equal((await tab.$$('article')).length, 1);
  assert.deepEqual(seen.posted[3].messages, [{ role: 'user', content: 'Another?' }]);
  assert.equal(await tab.textContent('.asked p'), 'Another?');
});

test('sampling goes with the request, and what is out of bounds is told in its place', async () => {
  const { tab, seen } = await openPage();
  await tab.click('#side summary');
  await tab.waitForFunction(() => document.querySelector('label[for=knob-temperature]').textContent.includes('0 to 2'));
  for (const [value, said] of [['3', /too much: at most 2/], ['-1', /too little: at least 0/], ['warm', /not a number/]]) {
    await tab.fill('#knob-temperature', value);
    assert.match(await tab.textContent('#wrong-temperature'), said);
    assert.equal(await tab.getAttribute('#knob-temperature', 'aria-describedby'), 'wrong-temperature');
  }
  await ask(tab, 'Not sent', { wait: false });
  assert.equal(await tab.evaluate(() => document.activeElement.id), 'knob-temperature');
  assert.equal(seen.posted.length, 0);
  await tab.fill('#knob-temperature', '0');
  assert.equal(await tab.$('#wrong-temperature'), null);
  await tab.fill('#knob-max_tokens', '12');
  await tab.fill('#knob-top_k', '40');
  await tab.fill('#knob-seed', '5');
  await tab.fill('#knob-stop', 'ZQX\n\nQXZ');
  await tab.press('#draft', 'Enter');
  await finished(tab);
  const { temperature, max_tokens, top_k, seed, stop, top_p } = seen.posted[0];
  assert.deepEqual({ temperature, max_tokens, top_k, seed, stop, top_p }, { temperature: 0, max_tokens: 12, top_k: 40, seed: 5, stop: ['ZQX', 'QXZ'], top_p: undefined });
});

test('an answer is stopped while it is written, and what there is stays', async () => {
  const { tab, seen } = await openPage();
  for (const way of ['Stop', 'Escape']) {
    if (way === 'Stop') {
      await tab.click('#side summary');
      await tab.fill('#knob-max_tokens', '1500');
    }
    await tab.click('text=Completion');
    await ask(tab, '!slow 1500', { wait: false });
    await tab.waitForFunction(() => document.querySelectorAll('article:last-of-type .written .token').length > 3);
    assert.equal(await tab.$('.go[type=submit]'), null);
    if (way === 'Stop') await tab.click('.go');
    else await tab.keyboard.press('Escape');
    await finished(tab);
    assert.match(await tab.textContent('article:last-of-type .foot'), /\d+ tokens.*stopped/);
    const held = (await lastTokens(tab)).length;
    await tab.waitForTimeout(200);
    assert.equal((await lastTokens(tab)).length, held);
    assert.equal(await tab.$('article:last-of-type .trouble-line'), null);
  }
  await tab.click('article:last-of-type >> text=Again');
  await tab.waitForFunction(() => document.querySelectorAll('article:last-of-type .written .token').length > 3);
  await tab.click('.go');
  assert.deepEqual(await misdeeds(tab, seen), []);
});

test('the load of the experts is shown while an answer is written', async () => {
  const { tab } = await openPage();
  await tab.click('text=Completion');
  await ask(tab, '!slow 300', { wait: false });
  const shares = () => tab.$$eval('.card:has(#load-title) .number', (all) => all.map((each) => Number.parseFloat(each.textContent)));
  await tab.waitForFunction(() => /Share of the choices of the last answer/.test(document.querySelector('.card:has(#load-title)').textContent));
  const early = await shares();
  await tab.waitForFunction(() => document.querySelectorAll('article .token').length > 30);
  const late = await shares();
  for (const each of [early, late]) {
    assert.equal(each.length, 8);
    assert.ok(Math.abs(each.reduce((one, two) => one + two, 0) - 100) < 0.5);
  }
  assert.notDeepEqual(early, late);
  await tab.waitForFunction(() => /The server (in the last \d+ seconds|since it started): [\d,]+ tokens, entropy/.test(document.querySelector('.card:has(#load-title)').textContent));
  await tab.keyboard.press('Escape');
});

test('dark follows the system until the reader chooses, and the choice is kept', async () => {
  const { tab } = await openPage({ colorScheme: 'dark' });
  const theme = () => tab.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), 'dark');
  await tab.emulateMedia({ colorScheme: 'light' });
  await tab.waitForFunction(() => document.documentElement.dataset.theme === 'light');
  await tab.click('.choose >> text=dark');
  assert.equal(await theme(), 'dark');
  await tab.reload();
  await tab.waitForSelector('.slider');
  assert.equal(await theme(), 'dark');
  await tab.click('.choose >> text=system');
  assert.equal(await theme(), 'light');
});

test('nothing is wider than a telephone of 360 pixels, and a token opens in a sheet', async () => {
  const { tab } = await openPage({ viewport: { width: 360, height: 740 } });
  const wide = () => tab.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(await wide(), 360);
  await tab.click('text=Experts, settings');
  await keepShort(tab);
  assert.equal(await wide(), 360);
  await tab.keyboard.press('Escape');
  await ask(tab);
  assert.equal(await wide(), 360);
  assert.equal(await tab.isVisible('#side'), false);
  await tab.click('.written .token[data-place="2"]');
  assert.equal(await tab.isVisible('#token-title'), true);
  const over = await tab.evaluate(() => document.elementFromPoint(...(({ x, y, width, height }) => [x + width / 2, y + height / 2])(document.querySelector('.written .token[data-place="2"]').getBoundingClientRect())).dataset.place);
  assert.equal(over, '2', 'the token is in sight above the sheet');
  assert.ok((await tab.$eval('#side', (each) => each.scrollWidth - each.clientWidth)) <= 0);
  await tab.click('[aria-label="Close the token"]');
  assert.equal(await tab.isVisible('#side'), false);
});

test('a long answer is followed to its end, unless the reader has gone up', async () => {
  const { tab } = await openPage({ viewport: { width: 1000, height: 420 } });
  await keepShort(tab, 250);
  await tab.click('text=Completion');
  const left = () => tab.evaluate(() => document.documentElement.scrollHeight - innerHeight - scrollY);
  await ask(tab, '!long 250');
  assert.ok((await left()) < 5);
  await ask(tab, '!slow 250', { wait: false });
  await tab.waitForFunction(() => document.querySelectorAll('article:last-of-type .written .token').length > 3);
  await tab.evaluate(() => scrollTo(0, 0));
  const grown = (await tab.$$('.token')).length;
  await tab.waitForFunction((least) => document.querySelectorAll('.token').length > least, grown + 5);
  assert.equal(await tab.evaluate(() => scrollY), 0);
  await tab.keyboard.press('Escape');
});
