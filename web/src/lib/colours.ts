// Eight colours for eight experts, told apart with any colour vision: Okabe and Ito (Color Universal Design, 2008), their
// black replaced by a wine red, as in the terminal. Beyond eight they come round again: then the digits tell.
export type Colour = readonly [number, number, number];

const EIGHT: readonly Colour[] = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [0, 114, 178],
  [213, 94, 0],
  [204, 121, 167],
  [136, 34, 85],
];
export const ENOUGH = EIGHT.length;

export const PAPER: Record<Theme, Colour> = { light: [255, 255, 255], dark: [24, 25, 28] };
const BELOW: Colour = [0, 114, 178];
const ABOVE: Colour = [213, 94, 0];
export type Theme = 'light' | 'dark';

export const expertColour = (expert: number): Colour => EIGHT[expert % ENOUGH];
export const css = ([red, green, blue]: Colour): string => `rgb(${red} ${green} ${blue})`;

/** The colour over the paper, from 0 (paper) to 1 (the colour itself). */
export function mix(colour: Colour, paper: Colour, strength: number): Colour {
  const part = Math.min(1, Math.max(0, strength));
  return [0, 1, 2].map((each) => Math.round(paper[each] + (colour[each] - paper[each]) * part)) as unknown as Colour;
}

/** Black or white, whichever reads better on the colour. */
export function inkOn(colour: Colour): string {
  const light = luminance(colour);
  return (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) ? '#000' : '#fff';
}

/** A colour for a share against what chance gives: blue below, white at chance, orange above; full at a factor of four. */
export function againstChance(value: number, chance: number, paper: Colour): Colour {
  if (!(value >= 0) || !(chance > 0)) return paper;
  const octaves = value === 0 ? -2 : Math.log2(value / chance);
  return mix(octaves < 0 ? BELOW : ABOVE, paper, Math.abs(octaves) / 2);
}

/** A shade from paper to blue. */
export const shade = (strength: number, paper: Colour): Colour => mix(BELOW, paper, strength);

function luminance(colour: Colour): number {
  const [red, green, blue] = colour.map((each) => {
    const part = each / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
