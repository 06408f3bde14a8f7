"""From a plan to a batch: the chunks' tokens laid end to end, with their positions, slots and block tables."""

import torch

from octavo.batch import Batch, Pages
from octavo.engine.scheduler import Chunk


def build(chunks: tuple[Chunk, ...], *, page_size: int, device: torch.device) -> Batch:
    """Lays out the batch that reads ``chunks``; the logit rows are each chunk's scored and then its sampled one."""
    tokens: list[int] = []
    positions: list[int] = []
    slots: list[int] = []
    starts = [0]
    contexts: list[int] = []
    rows: list[int] = []
    tables: list[list[int]] = []
    for chunk in chunks:
        sequence, start = chunk.sequence, chunk.start
        end = start + chunk.count
        pages = sequence.pages
        if chunk.count == 1:
            tokens.append(sequence.token_ids[start])
            positions.append(start)
            slots.append(pages[start // page_size] * page_size + start % page_size)
        else:
            tokens += sequence.token_ids[start:end]
            positions += range(start, end)
            slots += [pages[p // page_size] * page_size + p % page_size for p in range(start, end)]
        base = starts[-1] - start
        rows += range(base + chunk.scored_from, base + chunk.scored_to)
        if chunk.samples:
            rows.append(base + end - 1)
        starts.append(base + end)
        contexts.append(end)
        tables.append(pages[: -(-end // page_size)])
    width = max(map(len, tables))
    flat: list[int] = [*tokens, *positions, *slots, *contexts, *rows]
    for table in tables:
        flat += table
        flat += [0] * (width - len(table))
    # One copy to the device for everything but the starts, whose type differs.
    lengths = (len(tokens), len(tokens), len(tokens), len(chunks), len(rows), len(chunks) * width)
    token_T, position_T, slot_T, context_S, row_R, page_N = torch.tensor(flat, device=device).split(lengths)
    return Batch(
        token_T=token_T,
        position_T=position_T,
        query_start_S1=torch.tensor(starts, dtype=torch.int32, device=device),
        max_query=max(chunk.count for chunk in chunks),
        logit_row_R=None if len(rows) == len(tokens) else row_R,
        pages=Pages(
            slot_T=slot_T,
            page_SP=page_N.unflatten(0, (len(chunks), width)),
            context_S=context_S,
            max_context=max(contexts),
        ),
    )
