#!/bin/sh
# The server without a client: sh examples/curl.sh [http://127.0.0.1:8000]; the key, if there is one, in OCTAVO_API_KEY.
set -eu
url="${1:-http://127.0.0.1:8000}"
ask() { curl --silent --show-error --fail --no-buffer -H "Authorization: Bearer ${OCTAVO_API_KEY:-none}" "$@"; echo; }

ask "$url/v1/models"

ask "$url/v1/completions" -H 'Content-Type: application/json' -d '{
  "prompt": "Once upon a time", "max_tokens": 8, "temperature": 0, "routing": true
}'

# A stream: one line of data for each piece, and [DONE].
ask "$url/v1/chat/completions" -H 'Content-Type: application/json' -d '{
  "messages": [{"role": "user", "content": "What is 7 + 12?"}], "max_tokens": 8, "temperature": 0, "stream": true
}'

# How evenly the experts of each layer are used.
ask "$url/v1/routing/stats"
