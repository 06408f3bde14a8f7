// Numbers and tokens as people read them.

export const count = (value: number): string => value.toLocaleString('en');
/** A number of things: 1 layer, 2 layers. */
export const many = (value: number, thing: string): string => `${count(value)} ${thing}${value === 1 ? '' : 's'}`;
export const percent = (value: number, digits = 1): string => (Number.isFinite(value) ? `${(100 * value).toFixed(digits)} %` : '–');
export const bare = (value: number, digits = 1): string => (Number.isFinite(value) ? (100 * value).toFixed(digits) : '–');
export const plain = (value: number, digits = 3): string => (Number.isFinite(value) ? value.toFixed(digits) : '–');

export function short(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} billion`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} million`;
  return count(value);
}

// What shows nothing, or would turn the order of what stands around it: spelled out, never obeyed.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff]|[\u{e0000}-\u{e0fff}]/gu;

/** A token's text with everything invisible spelled out; line breaks and tabs stay. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) => `‹${character.codePointAt(0)!.toString(16).padStart(4, '0')}›`);
}

/** The same on one line, for labels: spaces, tabs and breaks get a sign of their own. */
export function label(text: string): string {
  if (text === '') return '∅';
  return visible(text).replaceAll(' ', '␣').replaceAll('\n', '↵').replaceAll('\t', '⇥');
}
