// What can go wrong between this page and its server, each told in one line with a way on.

/** The server's answer to a request that it did not take, or an error that it sent within a stream. */
export class Refusal extends Error {
  constructor(
    readonly status: number, // 0 within a stream
    message: string,
    readonly kind: string,
    readonly param: string | null,
    readonly wait: number, // seconds, 0 for none named
  ) {
    super(message);
  }
}

/** A stream that ended before its last event. */
export class Cut extends Error {}

export type Way = 'again' | 'key' | 'setting' | 'edit';

export interface Trouble {
  line: string;
  way: Way;
  wait: number; // seconds until trying again may help
  param: string | null;
}

const MOST_SECONDS = 600;

export async function refusalOf(response: Response): Promise<Refusal> {
  let told: unknown = null;
  try {
    told = await response.json();
  } catch {
    // A proxy in between answers with a page of its own; the status says enough.
  }
  const error = (told as { error?: unknown } | null)?.error;
  const wait = Number.parseFloat(response.headers.get('Retry-After') ?? '');
  return refusalFrom(error, response.status, Number.isFinite(wait) ? Math.min(MOST_SECONDS, Math.max(0, Math.ceil(wait))) : 0);
}

export function refusalFrom(error: unknown, status = 0, wait = 0): Refusal {
  const { message, type, param } = (error ?? {}) as Record<string, unknown>;
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return new Refusal(status, text(message), text(type), text(param) || null, wait);
}

/** One line about an error, after so many tokens. */
export function troubleOf(error: unknown, tokens: number): Trouble {
  const after = tokens > 0 ? ` after ${tokens} ${tokens === 1 ? 'token' : 'tokens'}` : '';
  const trouble = (line: string, way: Way, rest: Partial<Trouble> = {}): Trouble => ({ line, way, wait: 0, param: null, ...rest });
  if (error instanceof Cut) return trouble(`The connection was lost${after}: the server ended the stream before the answer was finished.`, 'again');
  if (!(error instanceof Refusal)) {
    const reached = tokens > 0 ? `The connection was lost${after}.` : 'The server cannot be reached.';
    return trouble(`${reached} It may have stopped, or the network is down.`, 'again');
  }
  const said = error.message ? `: ${error.message}` : '';
  const { status, wait, param } = error;
  if (status === 401 || status === 403) return trouble('The server wants an API key that it knows.', 'key');
  if (status === 429) return trouble(`The server has more to do than it can${said}`, 'again', { wait });
  if (status === 503) return trouble(`The server cannot answer now${said}`, 'again', { wait });
  if (status === 0) return trouble(`The server broke off${after}${said}`, 'again');
  if (status === 413) return trouble(`This is more than the server takes at once${said}`, 'edit');
  if (status === 408 || status >= 500) return trouble(`The server failed (${status})${said}`, 'again');
  if (param !== null) return trouble(`The server refused ${param}${said}`, 'setting', { param });
  return trouble(`The server refused this (${status})${said}`, 'edit');
}
