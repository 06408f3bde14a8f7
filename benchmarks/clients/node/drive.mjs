// Plays cases with the openai client for Node: cases on stdin, what came out as JSON on stdout; drive.py's twin.
import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { VERSION } from "openai/version";

const REFERENCE = /\{([a-z]\.[^{}]+)\}/g;
// The same thing under the name that it has in Python.
const NAMES = { APIConnectionTimeoutError: "APITimeoutError" };

async function play(client, one) {
  const known = {};
  for (const step of one.steps) {
    const { api_key, base_url, timeout, max_retries } = step.client ?? {};
    const changed = { apiKey: api_key, baseURL: base_url, timeout: timeout && timeout * 1000, maxRetries: max_retries };
    const given = Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== undefined));
    try {
      known[step.as] = await take(client.withOptions(given), fill(step, known));
    } catch (error) {
      // Not only the client's own: a reference may lead to what an earlier step did not give.
      known[step.as] = { error: told(error) };
    }
  }
  return known;
}

async function take(client, step) {
  if (step.call === "get") return plain(await client.get(step.path));
  if (step.call === "post") return plain(await client.post(step.path, { body: step.with }));
  const way = step.call.split(".");
  const verb = way.pop();
  const room = way.reduce((place, name) => place[name], client);
  const values = step.with || step.extra || step.stream ? [{ ...step.with, ...step.extra }] : [];
  if (step.stream) values[0].stream = true;
  const asked = room[verb](...(step.args ?? []), ...values);
  if (step.raw) {
    const { data, response } = await asked.withResponse();
    return { headers: Object.fromEntries(response.headers), body: plain(data) };
  }
  const answer = await asked;
  if (!step.stream) return answer.data ? { data: plain(answer.data) } : plain(answer);
  const chunks = [];
  for await (const chunk of answer) {
    chunks.push(plain(chunk));
    if (chunks.length === step.cancel_after) {
      answer.controller.abort();
      break;
    }
  }
  return { chunks };
}

const plain = (value) => JSON.parse(JSON.stringify(value));

function told(error) {
  const name = error.constructor.name;
  const { status, type, code, param, message } = error;
  return { class: NAMES[name] ?? name, status, type, code, param, message };
}

function fill(value, known) {
  if (Array.isArray(value)) return value.map((each) => fill(each, known));
  if (value && typeof value === "object") {
    const keys = Object.keys(value);
    if (keys.length === 1 && keys[0] === "of") return find(known, value.of);
    return Object.fromEntries(keys.map((key) => [fill(key, known), fill(value[key], known)]));
  }
  return typeof value === "string" ? value.replace(REFERENCE, (_, path) => String(find(known, path))) : value;
}

function find(known, path) {
  return path.split(".").reduce((place, name) => (Array.isArray(place) ? place.at(Number(name)) : place[name]), known);
}

const given = JSON.parse(readFileSync(0, "utf8"));
const client = new OpenAI({ baseURL: given.base_url, apiKey: given.api_key, timeout: 120_000 });
const results = {};
for (const one of given.cases) results[one.name] = await play(client, one);
process.stdout.write(JSON.stringify({ client: `openai for Node ${VERSION}`, results }));
