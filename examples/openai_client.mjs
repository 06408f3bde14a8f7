// Completions, chats and streams with the stock openai client for Node, and which experts read each token.
// npm install openai; octavo serve &; node openai_client.mjs [http://127.0.0.1:8000/v1]
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.argv[2] ?? "http://127.0.0.1:8000/v1",
  apiKey: process.env.OCTAVO_API_KEY ?? "none",
});
const model = (await client.models.list()).data[0].id;

// Fields that OpenAI has not are sent beside the others, and come back on the answer.
const done = await client.completions.create({
  model,
  prompt: "Once upon a time",
  max_tokens: 12,
  temperature: 0,
  routing: true,
});
const choice = done.choices[0];
console.log(`${model} goes on:${JSON.stringify(choice.text)}`);
console.log(`layer 0 chose first: ${choice.routed_experts.map((row) => row[0][0])}`);

const stream = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: "What is 7 + 12?" }],
  max_tokens: 24,
  temperature: 0,
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
console.log();
