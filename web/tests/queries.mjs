// Prints every query that a page offers, one a line: node tests/queries.mjs PAGE
import { openBrowser } from './browser.mjs';

const { context, close } = await openBrowser();
const tab = await context.newPage();
await tab.goto(`file://${process.argv[2]}`);
await tab.waitForSelector('figure');
await tab.$$eval('figure details', (all) => all.forEach((each) => (each.open = true)));
await tab.waitForSelector('figure pre');
await tab.waitForTimeout(300);
console.log((await tab.$$eval('pre', (all) => all.map((each) => each.textContent))).join('\n'));
await close();
