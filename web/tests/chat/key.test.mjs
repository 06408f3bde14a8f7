// A server that wants an API key: the page asks for it, and keeps it in its tab only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { misdeeds, openPage } from './pages.mjs';

test('the key is asked for, told when it is wrong, and kept in this tab only', async () => {
  const { tab, seen } = await openPage({ ready: '#key' });
  assert.equal(await tab.isDisabled('.go'), true);
  await tab.fill('#key', 'wrong');
  await tab.click('text=Use this key');
  await tab.waitForSelector('.key [role=alert]');
  assert.match(await tab.textContent('.key [role=alert]'), /does not know this key/);
  await tab.fill('#key', process.env.OCTAVO_KEY);
  await tab.press('#key', 'Enter');
  await tab.waitForSelector('.slider');
  const kept = await tab.evaluate(() => ({ session: Object.values(sessionStorage), local: Object.values(localStorage), cookie: document.cookie, address: location.href, text: document.body.innerHTML }));
  assert.deepEqual(kept.session, [process.env.OCTAVO_KEY]);
  assert.deepEqual(kept.local, []);
  assert.equal(kept.cookie, '');
  assert.ok(!kept.address.includes(process.env.OCTAVO_KEY) && !kept.text.includes(process.env.OCTAVO_KEY));
  assert.ok(!seen.requests.some((each) => each.includes(process.env.OCTAVO_KEY)));
  await tab.reload();
  await tab.waitForSelector('.slider');
  await tab.click('#side summary');
  await tab.click('text=Forget it');
  await tab.waitForSelector('#key');
  assert.equal(await tab.evaluate(() => sessionStorage.length), 0);
  assert.deepEqual(await misdeeds(tab, seen), []);
});
