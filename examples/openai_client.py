"""Completions, chats and streams with the stock openai client, and which experts read each token.

pip install openai; octavo serve &; python examples/openai_client.py [http://127.0.0.1:8000/v1]
"""

import os
import sys

from openai import OpenAI

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1"
client = OpenAI(base_url=url, api_key=os.environ.get("OCTAVO_API_KEY", "none"))
model = client.models.list().data[0].id

# A completion with routing: fields that OpenAI has not go through extra_body, and come back on the answer.
done = client.completions.create(
    model=model, prompt="Once upon a time", max_tokens=12, temperature=0, extra_body={"routing": True}
)
choice = done.choices[0]
print(f"{model} goes on:{choice.text!r}")
rows = choice.routed_experts  # [tokens][layers][2 experts, the first choice first]
print(f"layer 0 chose first: {[row[0][0] for row in rows]} (-1: nobody has read the last token)")

# A chat, as it is written.
stream = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "What is 7 + 12?"}],
    max_tokens=24,
    temperature=0,
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    for piece in chunk.choices:
        print(piece.delta.content or "", end="", flush=True)
    if chunk.usage:
        print(f"\n{chunk.usage.completion_tokens} tokens")
