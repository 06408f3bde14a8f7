// The sampling controls: what the reader set, within the bounds that the server's own schema names.

export interface Bounds {
  least: number | null;
  most: number | null;
  over: number | null; // exclusive
  whole: boolean;
}

export interface Knob {
  name: string;
  words: string;
  step: number;
  whole?: boolean;
  otherwise: string; // what an empty field means
}

export const KNOBS: readonly Knob[] = [
  { name: 'temperature', words: 'Temperature', step: 0.1, otherwise: '1' },
  { name: 'max_tokens', words: 'Most tokens', step: 1, whole: true, otherwise: 'the server’s' },
  { name: 'top_p', words: 'Top p', step: 0.05, otherwise: '1' },
  { name: 'top_k', words: 'Top k', step: 1, whole: true, otherwise: 'all' },
  { name: 'min_p', words: 'Min p', step: 0.01, otherwise: '0' },
  { name: 'seed', words: 'Seed', step: 1, whole: true, otherwise: 'by chance' },
  { name: 'presence_penalty', words: 'Presence penalty', step: 0.1, otherwise: '0' },
  { name: 'frequency_penalty', words: 'Frequency penalty', step: 0.1, otherwise: '0' },
  { name: 'repetition_penalty', words: 'Repetition penalty', step: 0.05, otherwise: '1' },
];

class Sampling {
  system = $state('');
  stop = $state(''); // one a line
  values = $state<Record<string, string>>({ temperature: '0.7', max_tokens: '256' });
  refused = $state<{ param: string; line: string } | null>(null); // what the server said of one of them
  bounds = $state.raw<Record<string, Bounds>>({});

  /** What is wrong with a field, in words; empty where nothing is. */
  wrong(knob: Knob): string {
    const text = (this.values[knob.name] ?? '').trim();
    if (text === '') return '';
    const value = Number(text);
    if (!Number.isFinite(value)) return `“${text.slice(0, 20)}” is not a number.`;
    const { least, most, over, whole } = this.bounds[knob.name] ?? NO_BOUNDS;
    if ((knob.whole || whole) && !Number.isInteger(value)) return `${value} is not a whole number.`;
    if (least !== null && value < least) return `${value} is too little: at least ${least}.`;
    if (over !== null && value <= over) return `${value} is too little: more than ${over}.`;
    if (most !== null && value > most) return `${value} is too much: at most ${most}.`;
    return '';
  }

  /** The first field that is wrong, null where all are right. */
  get firstWrong(): string | null {
    return KNOBS.find((knob) => this.wrong(knob) !== '')?.name ?? null;
  }

  /** The request's fields; what is left empty is the server's to choose. */
  fields(): Record<string, unknown> {
    const set = KNOBS.filter((knob) => (this.values[knob.name] ?? '').trim() !== '').map((knob) => [knob.name, Number(this.values[knob.name])]);
    const stop = this.stop.split('\n').filter((line) => line !== '');
    return { ...Object.fromEntries(set), ...(stop.length ? { stop } : {}) };
  }
}

const NO_BOUNDS: Bounds = { least: null, most: null, over: null, whole: false };
export const sampling = new Sampling();

type Schema = Record<string, unknown>;

/** The bounds of every numeric field of a server's chat request, out of its OpenAPI document. */
export function readBounds(document: unknown): Record<string, Bounds> {
  const schemas = Object.values((document as { components?: { schemas?: Record<string, Schema> } }).components?.schemas ?? {});
  const chat = schemas.find((each) => ['messages', 'temperature'].every((name) => Object.hasOwn((each.properties as Schema) ?? {}, name)));
  return Object.fromEntries(Object.entries((chat?.properties as Record<string, Schema>) ?? {}).map(([name, schema]) => [name, boundsOf(schema)]));
}

function boundsOf(schema: Schema): Bounds {
  // An optional field is a choice of its own kind and null.
  const forms = [schema, ...((schema.anyOf as Schema[]) ?? [])];
  const number = (key: string) => (forms.map((each) => each[key]).find((each) => typeof each === 'number') as number) ?? null;
  return { least: number('minimum'), most: number('maximum'), over: number('exclusiveMinimum'), whole: forms.some((each) => each.type === 'integer') };
}
