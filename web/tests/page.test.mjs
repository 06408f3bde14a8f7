// The report's page in headless Chromium: what it loads, what it shows, and how one moves in it. OCTAVO_PAGES is a folder
// of pages that tests/test_page.py writes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openBrowser } from './browser.mjs';

const pages = process.env.OCTAVO_PAGES;
let browser;
before(async () => (browser = await openBrowser()));
after(async () => await browser?.close());

/** Opens a page and keeps whatever it asks for or complains of. */
async function open(name, { hash = '', width = 1200, height = 900 } = {}) {
  const tab = await browser.context.newPage();
  const seen = { requests: [], trouble: [] };
  tab.on('request', (request) => seen.requests.push(request.url()));
  tab.on('console', (message) => ['error', 'warning'].includes(message.type()) && seen.trouble.push(message.text()));
  tab.on('pageerror', (error) => seen.trouble.push(error.message));
  tab.on('dialog', (dialog) => { seen.trouble.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await tab.setViewportSize({ width, height });
  await tab.goto(`file://${pages}/${name}.html${hash}`);
  return { tab, seen };
}

test('the page loads nothing but itself and complains of nothing', async () => {
  for (const name of ['one', 'two', 'large', 'hostile']) {
    const { tab, seen } = await open(name);
    await tab.waitForSelector('figure');
    for (const summary of await tab.$$('figure summary')) await summary.click();
    await tab.waitForTimeout(200);
    assert.deepEqual(seen.requests.filter((url) => !url.startsWith(`file://${pages}/${name}.html`) && !url.startsWith('data:')), []);
    assert.deepEqual(seen.trouble, []);
    await tab.close();
  }
});

test('what the page may not do, the browser refuses', async () => {
  const { tab } = await open('one');
  await tab.waitForSelector('figure');
  const refused = await tab.evaluate(async () => {
    const answers = [];
    const seen = new Promise((resolve) => addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective), { once: true }));
    answers.push(await fetch('https://example.invalid/').then(() => 'fetched', () => 'refused'));
    answers.push(await Promise.race([seen, new Promise((resolve) => setTimeout(() => resolve('not seen'), 2000))]));
    const script = document.createElement('script');
    try { script.textContent = 'window.owned = 1'; document.body.append(script); } catch { /* trusted types */ }
    try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.owned = 1">'); } catch { answers.push('no markup from text'); }
    await new Promise((resolve) => setTimeout(resolve, 200));
    return [...answers, window.owned];
  });
  assert.deepEqual(refused, ['refused', 'connect-src', 'no markup from text', undefined]);
  await tab.close();
});

test('every figure says what was counted and by chance, and has its data, its files and its query', async () => {
  const { tab } = await open('one');
  await tab.waitForSelector('figure');
  const figures = await tab.$$('figure');
  assert.ok(figures.length >= 9, `${figures.length} figures`);
  for (const figure of figures) {
    const title = await figure.$eval('h3', (each) => each.textContent);
    const caption = await figure.$eval('figcaption', (each) => each.textContent);
    assert.match(caption, /Counted:.+By chance:.+/s, title);
    assert.doesNotMatch(caption, /NaN|undefined|null/, title);
    await (await figure.$('summary')).click();
    // The rows are made when they are asked for; a busy machine takes a moment.
    assert.ok(await figure.waitForSelector('.table tbody tr', { timeout: 10_000 }).catch(() => null), `${title}: no rows`);
    assert.ok(await figure.$('.table caption'), `${title}: no caption for a screen reader`);
    const query = await figure.$eval('pre', (each) => each.textContent);
    assert.match(query, /^octavo (stats|sql) one\.route /, title);
    assert.equal((await figure.$$('.files button')).length, 2, title);
  }
  await tab.close();
});

test('the data is saved as CSV and as JSON, row by row the same', async () => {
  const { tab } = await open('one');
  await tab.waitForSelector('#share');
  await tab.click('#share summary');
  const [asCsv] = await Promise.all([tab.waitForEvent('download'), tab.click('#share .files button:nth-of-type(1)')]);
  const [asJson] = await Promise.all([tab.waitForEvent('download'), tab.click('#share .files button:nth-of-type(2)')]);
  assert.equal(asCsv.suggestedFilename(), 'share.csv');
  const lines = readFileSync(await asCsv.path(), 'utf8').trim().split('\r\n');
  const rows = JSON.parse(readFileSync(await asJson.path(), 'utf8'));
  assert.equal(lines.length, rows.length + 1);
  assert.equal(lines[0], Object.keys(rows[0]).map((name) => `"${name}"`).join(','));
  const sum = rows.filter((row) => row.domain === 'code').reduce((total, row) => total + row.share, 0);
  assert.ok(Math.abs(sum - 1) < 1e-5);
  await tab.close();
});

test('the keyboard moves the layer, the token and the cell', async () => {
  const { tab } = await open('one', { hash: '#layer=0' });
  await tab.focus('#layer');
  await tab.keyboard.press('ArrowRight');
  assert.equal(await tab.textContent('output[for=layer]'), '1');
  assert.match(await tab.textContent('#share figcaption'), /at layer 1,/);
  await tab.focus('#text .token[tabindex="0"]');
  for (let each = 0; each < 3; each++) await tab.keyboard.press('ArrowRight');
  assert.match(await tab.evaluate(() => document.activeElement.getAttribute('aria-label')), /^2: /);
  assert.equal(await tab.$$eval('#text .token[tabindex="0"]', (all) => all.length), 1);
  assert.match(await tab.textContent('#text .path'), /Token 2/);
  await tab.focus('#grid .board');
  await tab.keyboard.press('ArrowDown');
  assert.equal(await tab.textContent('output[for=layer]'), '2');
  assert.match(await tab.textContent('#grid .said'), /token 2 .*layer 2: expert \d \(0\.\d+\), then \d/);
  assert.match(await tab.evaluate(() => location.hash), /layer=2/);
  await tab.close();
});

test('every control can be reached and has a name', async () => {
  const { tab } = await open('two');
  await tab.waitForSelector('figure');
  const nameless = await tab.$$eval('button, select, input, a, [tabindex="0"]', (all) =>
    all.filter((each) => !(each.textContent.trim() || each.getAttribute('aria-label') || each.labels?.length)).map((each) => each.outerHTML));
  assert.deepEqual(nameless, []);
  const tagged = await tab.$$eval('canvas, svg', (all) => all.filter((each) => !each.closest('[aria-label]')).length);
  assert.equal(tagged, 0);
  await tab.close();
});

test('the layer, the domain and the choice are kept in the address', async () => {
  const { tab } = await open('one', { hash: '#layer=3&choice=either&domain=1&text=2' });
  await tab.waitForSelector('figure');
  assert.equal(await tab.textContent('output[for=layer]'), '3');
  assert.equal(await tab.$eval('#share [aria-pressed=true]', (each) => each.textContent), 'either');
  assert.match(await tab.textContent('#course .key'), /prose/);
  assert.match(await tab.$eval('#text select', (each) => each.selectedOptions[0].textContent), /2\.txt/);
  await tab.close();
  const odd = await open('one', { hash: '#layer=99&choice=x&domain=-5&run=7&text=1e9' });
  await odd.tab.waitForSelector('figure');
  assert.deepEqual(odd.seen.trouble, []);
  await odd.tab.close();
});

test('two runs stand beside each other, and tokens that go elsewhere are framed', async () => {
  const { tab, seen } = await open('two', { hash: '#layer=2' });
  await tab.selectOption('.choose label:nth-of-type(3) select', { label: 'two' });
  await tab.waitForSelector('.differs');
  assert.equal((await tab.$$('#text .differs')).length, 6);
  assert.match(await tab.textContent('#text'), /Framed: 6 of 60 tokens \(10\.0 %\)/);
  assert.ok((await tab.$$('#share .versus')).length > 0);
  assert.ok((await tab.$$('#course path.other')).length > 0);
  await tab.selectOption('.choose label:nth-of-type(2) select', { label: 'two' });
  assert.equal((await tab.$$('.differs')).length, 0);
  assert.match(await tab.textContent('#more'), /Other first choices than in “one”.+layer 2: 9 %/s);
  assert.deepEqual(seen.trouble, []);
  await tab.close();
});

test('nothing is wider than a telephone, and dark is dark', async () => {
  const { tab } = await open('large', { width: 400, height: 800 });
  await tab.waitForSelector('figure');
  await tab.waitForTimeout(200);
  assert.ok((await tab.evaluate(() => document.documentElement.scrollWidth)) <= 400);
  const light = await tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await tab.click('.choose button');
  assert.equal(await tab.evaluate(() => document.documentElement.dataset.theme), 'dark');
  assert.notEqual(await tab.evaluate(() => getComputedStyle(document.body).backgroundColor), light);
  await tab.close();
});

test('a missing route is hatched and a control token is grey', async () => {
  const { tab } = await open('one');
  await tab.waitForSelector('.token');
  assert.equal((await tab.$$('#text .missing')).length, 1);
  assert.match(await tab.$eval('#text .missing', (each) => each.title), /route unknown/);
  assert.equal((await tab.$$('#text .special')).length, 1);
  await tab.close();
});

test('the empty template says what it is', async () => {
  const { tab } = await open('empty');
  assert.match(await tab.textContent('.trouble'), /octavo report writes it/);
  await tab.close();
});
