"""Stored tensors on their way to a device: read piece by piece through a few buffers of fixed size, never mapped.

    file  --pread-->  buffer (pinned where a GPU is meant)  --copy-->  device

Several readers take a tensor each, so that one reads while others copy or digest. This process holds no more of the
files than the buffers, whatever the model's size; pages that the operating system keeps of them are its own.
"""

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import torch
from torch import Tensor

from octavo.checkpoint.read import CODES, Header, naming, stored_headers
from octavo.errors import CheckpointError

BUFFER_BYTES = 32 << 20
# On a CPU the copies have threads of their own, and more readers only get into their way.
MAX_READERS = {"cuda": 8, "cpu": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A stored tensor and where it goes.

    ``put`` takes rows of the tensor's last dimension, on the device, and the number of the first; they come in order,
    ``unit`` rows or a multiple at a time, and are overwritten after it returns. ``check`` takes the SHA-256 of the
    bytes in the file, where somebody wants it.
    """

    name: str
    unit: int
    put: Callable[[int, Tensor], None]
    check: Callable[[str], None] | None = None


def deliver(
    headers: Mapping[str, Header], deliveries: Sequence[Delivery], *, device: torch.device, readers: int | None = None
) -> Iterator[str]:
    """Brings tensors to ``device`` and yields the name of each, in order, once it is there.

    Raises CheckpointError when a file can no longer be read as its header was, and what ``check`` raises.
    """
    most = readers or min(MAX_READERS[device.type], os.cpu_count() or 1)
    size = max((_piece_bytes(headers[each.name], each.unit) for each in deliveries), default=0)
    with ExitStack() as stack:
        opened = {
            file: stack.enter_context(_open(file, headers)) for file in {headers[d.name].file for d in deliveries}
        }
        idle: SimpleQueue[Reader] = SimpleQueue()
        for _ in range(min(most, len(deliveries))):
            idle.put(Reader(size, device))
        pool = ThreadPoolExecutor(most)
        # A thread does not inherit it, and what was made under it can only be written under it.
        inference = torch.is_inference_mode_enabled()
        # An error leaves what has not begun undone; files are closed only when nobody reads them any more.
        stack.callback(pool.shutdown, cancel_futures=True)

        def run(delivery: Delivery) -> None:
            reader = idle.get()
            try:
                header = headers[delivery.name]
                with torch.inference_mode(inference):
                    reader.deliver(opened[header.file], header, delivery)
            finally:
                idle.put(reader)

        under_way = [(delivery.name, pool.submit(run, delivery)) for delivery in deliveries]
        for name, future in under_way:
            future.result()
            yield name


class Reader:
    """One buffer, and on a GPU one stream that empties it."""

    def __init__(self, size: int, device: torch.device) -> None:
        self.device = device
        self.buffer = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self._bytes: memoryview = self.buffer.numpy().data
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        if self._stream is not None:
            # What the tensors' memory held before may still be in use there.
            self._stream.wait_stream(torch.cuda.current_stream(device))

    def deliver(self, descriptor: int, header: Header, delivery: Delivery) -> None:
        """Reads one tensor from its file, piece by piece, and puts each where it goes."""
        dtype, width = CODES[header.dtype], header.shape[-1]
        num_rows, row_bytes = math.prod(header.shape[:-1]), header.shape[-1] * dtype.itemsize
        step = _rows_of_a_piece(header, delivery.unit)
        digest = hashlib.sha256() if delivery.check is not None else None
        assert header.start is not None, "only safetensors files say where a tensor lies"
        for first in range(0, num_rows, step):
            count = min(step, num_rows - first)
            piece = self._bytes[: count * row_bytes]
            _fill(descriptor, piece, header.start + first * row_bytes, header.file, delivery.name)
            if digest is not None:
                digest.update(piece)
            rows_nI = self.buffer[: count * row_bytes].view(dtype).view(count, width)
            if self._stream is None:
                delivery.put(first, rows_nI)
                continue
            with torch.cuda.stream(self._stream):
                # Whatever becomes of the rows, the device does it.
                delivery.put(first, rows_nI.to(self.device, non_blocking=True))
            self._stream.synchronize()
        if digest is not None and delivery.check is not None:
            delivery.check(digest.hexdigest())


def _rows_of_a_piece(header: Header, unit: int) -> int:
    row_bytes = header.shape[-1] * CODES[header.dtype].itemsize
    return max(1, BUFFER_BYTES // (row_bytes * unit)) * unit


def _piece_bytes(header: Header, unit: int) -> int:
    rows = min(_rows_of_a_piece(header, unit), math.prod(header.shape[:-1]))
    return rows * header.shape[-1] * CODES[header.dtype].itemsize


@contextmanager
def _open(file: Path, headers: Mapping[str, Header]) -> Iterator[int]:
    """A descriptor of the file, once its header is the one that was read before."""
    with naming(file), ExitStack() as stack:
        stream = stack.enter_context(file.open("rb"))
        found = stored_headers(file)
        close = stack.pop_all()
    with close:
        for name, header in headers.items():
            if header.file == file and found.get(name) != header:
                raise CheckpointError(f"{file}: tensor {name!r} changed while it was read: load again when it is whole")
        yield stream.fileno()


def _fill(descriptor: int, piece: memoryview, start: int, file: Path, name: str) -> None:
    done = 0
    with naming(file, name):
        while done < len(piece):
            got = os.preadv(descriptor, [piece[done:]], start + done)
            if not got:
                raise CheckpointError("the file has become shorter")
            done += got
