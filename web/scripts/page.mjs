// Makes the report's template, one HTML file that needs nothing else, of the built script and style sheet.
// With --compare nothing is written: the exit code says whether the committed template is what the sources build to.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const here = new URL('.', import.meta.url);
const target = new URL('../../octavo/analysis/report/page.html', here);
const read = (name) => readFileSync(new URL(`../dist/report/${name}`, here), 'utf8').trim();
const hash = (text) => `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;

// Inside an element's text, only its own end tag and "<!--" mean anything to a browser.
const script = read('report.js').replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
const style = read('report.css');
if (/<\/style/i.test(style)) throw new Error('the style sheet would end its own element');

// No address is allowed, not even this page's own: what is not listed cannot be loaded, sent or framed. Only these very
// two texts run, and no string becomes HTML but the templates that Svelte compiled.
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types svelte-trusted-html',
].join('; ');

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Octavo report</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<noscript>This page draws its figures with a script of its own: allow scripts for this file. It loads nothing from anywhere.</noscript>
<div id="page"></div>
<script type="application/json" id="report">null</script>
<script type="module">${script}</script>
</body>
</html>
`;

if (process.argv.includes('--compare')) {
  const committed = readFileSync(target, 'utf8');
  if (committed !== page) {
    console.error('octavo/analysis/report/page.html is not what web/ builds to: run "npm run build" in web/ and commit it');
    process.exit(1);
  }
  console.log('the committed page is what the sources build to');
} else {
  writeFileSync(target, page);
  console.log(`${target.pathname}: ${Buffer.byteLength(page).toLocaleString('en')} bytes`);
}
