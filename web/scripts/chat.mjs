// Puts the built chat page into the package: octavo/server/page/ holds these four files and nothing else. Script and style
// sheet are named by their content, so that a browser may keep them for good.
// With --compare nothing is written: the exit code says whether the committed files are what the sources build to.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const here = new URL('.', import.meta.url);
const target = new URL('../../octavo/server/page/', here);
const built = new URL('../dist/chat/assets/', here);
const read = (name, from) => readFileSync(new URL(name, from), 'utf8');

const assets = readdirSync(built);
const [script, style] = ['.js', '.css'].map((kind) => assets.find((name) => name.endsWith(kind)));
if (assets.length !== 2 || !script || !style) throw new Error(`one script and one style sheet are wanted, built were ${assets.join(', ')}`);
const page = read('../src/chat/index.html', here).replace('assets/chat.js', `assets/${script}`).replace('assets/chat.css', `assets/${style}`);
const files = {
  'index.html': page,
  'favicon.svg': read('../src/chat/favicon.svg', here),
  [`assets/${script}`]: read(script, built),
  [`assets/${style}`]: read(style, built),
};

if (process.argv.includes('--compare')) {
  const committed = ['', 'assets/'].flatMap((folder) => readdirSync(new URL(`./${folder}`, target), { withFileTypes: true }).filter((each) => each.isFile()).map((each) => folder + each.name));
  const other = [...new Set([...committed, ...Object.keys(files)])].filter((name) => !committed.includes(name) || !(name in files) || read(name, target) !== files[name]);
  if (other.length) {
    console.error(`octavo/server/page/ is not what web/ builds to (${other.join(', ')}): run "npm run build" in web/ and commit it`);
    process.exit(1);
  }
  console.log('the committed page is what the sources build to');
} else {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(new URL('assets/', target), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(new URL(name, target), text);
    console.log(`${name}: ${Buffer.byteLength(text).toLocaleString('en')} bytes`);
  }
}
