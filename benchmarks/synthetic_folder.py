"""Writes a Hugging Face folder of random weights in any shape, shard by shard: for measuring what loads and runs it.

Numbers are N(0, 0.02), drawn once for as many as a pool holds and repeated from another place for each tensor; the
pool's length is prime, so no two rows of a matrix are alike. Shards are written side by side, and no more than a tensor
of each is in memory. Mixtral-8x7B comes out as the Hub has it: 19 shards of at most 5 GB.

    python benchmarks/synthetic_folder.py --shape mixtral-8x7b /dev/shm/mixtral
"""

import argparse
import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from octavo.bench.shapes import find_shape
from octavo.checkpoint import Dialect, files, read_settings, shard_bytes
from octavo.checkpoint.hugging_face import DEFAULT_BOS, DEFAULT_EOS, config_json
from octavo.checkpoint.json_file import dump
from octavo.checkpoint.manifest import TensorRecord
from octavo.checkpoint.names import Stored, stored_tensors
from octavo.checkpoint.save import TOKENIZER_FILES
from octavo.checkpoint.write import new_folder, split, write_file, write_shard
from octavo.config import ModelConfig

POOL = 16_777_213  # the largest prime below 2^24
ROOT = Path(__file__).parent.parent


def drawer(dtype: torch.dtype, seed: int) -> "Draw":
    """What fills tensors with numbers of one pool."""
    generator = torch.Generator().manual_seed(seed)
    return Draw(torch.empty(POOL).normal_(0, 0.02, generator=generator).to(dtype))


class Draw:
    """Builds stored tensors: norms of ones, matrices out of the pool."""

    def __init__(self, pool: Tensor) -> None:
        self.pool = pool

    def __call__(self, stored: Stored) -> Tensor:
        """Builds one tensor."""
        if len(stored.shape) == 1:
            return torch.ones(stored.shape, dtype=self.pool.dtype)
        tensor = torch.empty(stored.shape, dtype=self.pool.dtype)
        flat = tensor.view(-1)
        start = int.from_bytes(stored.name.encode(), "little") % len(self.pool)
        done = 0
        while done < len(flat):
            count = min(len(flat) - done, len(self.pool) - start)
            flat[done : done + count] = self.pool[start : start + count]
            done, start = done + count, 0
        return tensor


def write(
    destination: Path, config: ModelConfig, *, dtype: torch.dtype, shard: int, tokenizer: Path | None, threads: int
) -> int:
    """Writes the folder and returns the bytes of its weights."""
    shards = split(stored_tensors(config, Dialect.HF), dtype.itemsize, shard)
    draw = drawer(dtype, 0)
    with new_folder(destination) as fresh, ThreadPoolExecutor(threads) as pool:
        names = [
            files.single_name(False) if len(shards) == 1 else files.shard_name(False, number, len(shards))
            for number in range(1, len(shards) + 1)
        ]
        under_way = [
            pool.submit(write_shard, fresh / name, tensors, dtype, draw)
            for name, tensors in zip(names, shards, strict=True)
        ]
        records: dict[str, TensorRecord] = {}
        for done in under_way:
            records |= done.result()
        total = sum(math.prod(record.shape) for record in records.values()) * dtype.itemsize
        if len(shards) > 1:
            mapped = {name: record.file for name, record in sorted(records.items())}
            write_file(fresh / files.index_name(False), dump({"metadata": {"total_size": total}, "weight_map": mapped}))
        settings = config_json(config, dtype, bos_token_id=DEFAULT_BOS, eos_token_ids=DEFAULT_EOS)
        write_file(fresh / "config.json", dump(settings))
        for pattern in TOKENIZER_FILES if tokenizer is not None else ():
            for path in sorted(tokenizer.glob(pattern)) if tokenizer is not None else ():
                write_file(fresh / path.name, path.read_bytes())
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("destination", type=Path, help="a new folder")
    parser.add_argument("--shape", default="mixtral-8x7b", help="a published shape, or a folder or config.json")
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float16", "float32"))
    parser.add_argument("--shard", default="5GB", help="the most that a shard may hold")
    parser.add_argument("--tokenizer", type=Path, help="a folder to copy a tokenizer from; by default octavo-mini's")
    parser.add_argument("--threads", type=int, default=min(8, os.cpu_count() or 1))
    options = parser.parse_args()
    config = read_settings(options.shape).config if Path(options.shape).exists() else find_shape(options.shape)
    began = time.perf_counter()
    total = write(
        options.destination,
        config,
        dtype=getattr(torch, options.dtype),
        shard=shard_bytes(options.shard),
        tokenizer=options.tokenizer or ROOT / "octavo" / "mini",
        threads=options.threads,
    )
    seconds = time.perf_counter() - began
    print(f"{total / 1e9:.1f} GB in {seconds:.1f} s, {total / seconds / 1e9:.2f} GB/s: {options.destination}")


if __name__ == "__main__":
    main()
