// Opens the chat page of the server at OCTAVO_URL, and keeps whatever it asks for or complains of.
import { after, afterEach } from 'node:test';
import { chromium } from 'playwright-core';
import { EXECUTABLE, FLAGS } from '../browser.mjs';

export const url = process.env.OCTAVO_URL;
const PROMPT = 'The old captain';

let browser = null;
const opened = [];
// Also after a test that failed: a browser left open would keep node waiting.
afterEach(async () => {
  while (opened.length) await opened.pop().close();
});
after(async () => await browser?.close());

/** A tab that knows nothing of any other; ``seen`` has its requests, its complaints, and the bodies that it posted. */
export async function openPage({ path = '', ready = '.slider', ...options } = {}) {
  browser ??= await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  const context = await browser.newContext({ viewport: { width: 1200, height: 860 }, ...options });
  opened.push(context);
  context.setDefaultTimeout(15_000);
  const tab = await context.newPage();
  const seen = { requests: [], trouble: [], posted: [] };
  tab.on('request', (request) => {
    seen.requests.push(request.url());
    if (request.method() === 'POST') seen.posted.push(request.postDataJSON());
  });
  tab.on('console', (message) => ['error', 'warning'].includes(message.type()) && !/^Failed to load resource/.test(message.text()) && seen.trouble.push(message.text()));
  tab.on('pageerror', (error) => seen.trouble.push(error.message));
  tab.on('dialog', (dialog) => { seen.trouble.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await tab.addInitScript(() => {
    window.violations = [];
    addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.effectiveDirective}: ${event.blockedURI}`));
    window.ran = [];
    window.owned = (which) => window.ran.push(which);
    window.alert = window.owned;
  });
  await tab.goto(url + path);
  await tab.waitForSelector(ready);
  return { tab, seen };
}

/** Opens the settings and asks for short answers: a real model takes its time. */
export async function keepShort(tab, tokens = 24) {
  await tab.click('#side summary');
  await tab.fill('#knob-max_tokens', String(tokens));
}

/** Sends a prompt and waits for the end of its answer, or of whatever stands there instead. */
export async function ask(tab, prompt = PROMPT, { wait = true } = {}) {
  await tab.fill('#draft', prompt);
  await tab.press('#draft', 'Enter');
  if (wait) await finished(tab);
}

export const finished = (tab) => tab.waitForSelector('article:last-of-type[aria-busy=false]', { timeout: 60_000 });

/** What the page did that it should not: requests to elsewhere, complaints, breaches of its policy, scripts that ran. */
export async function misdeeds(tab, seen) {
  const { violations, ran } = await tab.evaluate(() => ({ violations: window.violations, ran: window.ran }));
  return [...seen.requests.filter((each) => !each.startsWith(url)), ...seen.trouble, ...violations, ...ran];
}

export const lastTokens = (tab) => tab.$$eval('article:last-of-type .written .token', (all) => all.map((each) => ({ text: each.textContent, back: each.style.backgroundColor, said: each.getAttribute('aria-label'), digit: each.dataset.digit ?? null })));
