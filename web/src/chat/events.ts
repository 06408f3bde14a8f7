// Server-sent events out of a response's body: each event's data, however the bytes were cut on their way.

/** Yields the data of every event; ends with the body. Fields other than data are of no use here. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      // An event ends with an empty line; a carriage return at the very end may yet be half of one.
      const events = rest.split(/\r\n\r\n|\n\n|\r\r(?!$)/);
      rest = events.pop()!;
      if (done) events.push(rest);
      for (const event of events) {
        const data = event.split(/\r\n|\n|\r/).filter((line) => line.startsWith('data:')).map((line) => line.slice(line.startsWith('data: ') ? 6 : 5));
        if (data.length) yield data.join('\n');
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {}); // the other end may be gone already
  }
}
