// Takes pictures of a report: node tests/look.mjs PAGE FOLDER [width] [light|dark] [hash]
import { openBrowser } from './browser.mjs';

const [page, folder, width = '1200', theme = 'light', hash = ''] = process.argv.slice(2);
const { context, close } = await openBrowser({ viewport: { width: Number(width), height: 900 }, colorScheme: theme });
const tab = await context.newPage();
tab.on('console', (message) => console.log('console:', message.text()));
tab.on('pageerror', (error) => console.log('error:', error.message));
await tab.goto(`file://${page}${hash}`);
await tab.waitForSelector('figure');
await tab.waitForTimeout(500);
await tab.screenshot({ path: `${folder}/page-${width}-${theme}.png`, fullPage: true });
await close();
