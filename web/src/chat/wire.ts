// What goes over the wire: OpenAI's requests and chunks, with the routing beside them.
import { readEvents } from './events';
import type { Rows } from './reading.svelte';
import { Cut, Refusal, refusalFrom, refusalOf } from './trouble';

export type Mode = 'chat' | 'completion';

/** One choice's news in a chunk. A token's row comes one step after it; those of the prompt as it is read. */
export interface News {
  text: string;
  tokens: string[]; // the new tokens' own text
  ids: number[];
  rows: Rows;
  prompt: { tokens: string[]; ids: number[]; rows: Rows };
  finish: string | null;
}

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface Ask {
  mode: Mode;
  model: string;
  messages: Message[]; // of a chat
  prompt: string; // of a completion
  sampling: Record<string, unknown>;
}

const PATH: Record<Mode, string> = { chat: 'v1/chat/completions', completion: 'v1/completions' };

// The page may stand behind a proxy's prefix, so every address is told from its own.
export const address = (path: string): string => new URL(path, document.baseURI).href;

const withKey = (key: string): Record<string, string> => (key ? { Authorization: `Bearer ${key}` } : {});

/** The JSON at a path; raises Refusal where the server gives none. */
export async function fetchJson(path: string, key: string): Promise<unknown> {
  const response = await fetch(address(path), { headers: withKey(key), cache: 'no-store', credentials: 'same-origin' });
  if (!response.ok) throw await refusalOf(response);
  return response.json();
}

/** Asks for an answer and yields its news; raises Refusal, Cut, or whatever fetch does. */
export async function* stream(ask: Ask, key: string, signal: AbortSignal): AsyncGenerator<News> {
  const asked = ask.mode === 'chat' ? { messages: ask.messages } : { prompt: ask.prompt };
  const response = await fetch(address(PATH[ask.mode]), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...withKey(key) },
    body: JSON.stringify({ model: ask.model, ...asked, stream: true, routing: true, router_logits: true, ...ask.sampling }),
    credentials: 'same-origin',
    signal,
  });
  if (!response.ok) throw await refusalOf(response);
  if (!response.body || !/^text\/event-stream\b/.test(response.headers.get('Content-Type') ?? '')) throw new Refusal(response.status, 'the answer is no stream of events', '', null, 0);
  for await (const event of readEvents(response.body)) {
    if (event === '[DONE]') return;
    const chunk = parse(event);
    if (chunk.error) throw refusalFrom(chunk.error);
    for (const choice of chunk.choices ?? []) {
      yield {
        text: (ask.mode === 'chat' ? choice.delta?.content : choice.text) ?? '',
        tokens: choice.tokens ?? [],
        ids: choice.token_ids ?? [],
        rows: rowsOf(choice, ''),
        prompt: { tokens: chunk.prompt_tokens ?? [], ids: chunk.prompt_token_ids ?? [], rows: rowsOf(chunk, 'prompt_') },
        finish: choice.finish_reason ?? null,
      };
    }
  }
  throw new Cut();
}

function rowsOf(from: Record<string, number[][][]>, whose: '' | 'prompt_'): Rows {
  const rows = (name: string) => from[`${whose}${name}`] ?? [];
  return { experts: rows('routed_experts'), weights: rows('routed_weights'), logits: rows('router_logits') };
}

function parse(event: string) {
  try {
    return JSON.parse(event);
  } catch {
    throw new Refusal(0, 'it sent an event that is no JSON', '', null, 0);
  }
}
