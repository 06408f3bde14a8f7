// Takes pictures of the chat page: node tests/chat/look.mjs URL FOLDER [width] [light|dark] [prompt] [token]
import { openBrowser } from '../browser.mjs';

const [url, folder, width = '1200', theme = 'light', prompt = '', token = ''] = process.argv.slice(2);
const { context, close } = await openBrowser({ viewport: { width: Number(width), height: Number(width) < 700 ? 740 : 860 }, colorScheme: theme });
const tab = await context.newPage();
tab.on('console', (message) => console.log('console:', message.text()));
tab.on('pageerror', (error) => console.log('error:', error.message));
await tab.goto(url);
await tab.waitForSelector('.slider');
for (const each of prompt ? prompt.split('|') : []) {
  await tab.fill('#draft', each);
  await tab.press('#draft', 'Enter');
  await tab.waitForSelector('.go[type=submit]');
  await tab.waitForTimeout(200);
}
if (token) await tab.click(`article:last-of-type .written .token[data-place="${token}"]`);
await tab.waitForTimeout(400);
await tab.screenshot({ path: `${folder}/chat-${width}-${theme}${prompt ? '-asked' : ''}${token ? '-token' : ''}.png` });
await close();
