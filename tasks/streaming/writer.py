"""Writing per-sample tables while the next batch is computed."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from storage import keys
from storage.spans import Span
from storage.store import Store
from storage.tables import Columns, TableWriter
from tasks.streaming.sinks import Samples, Sink


class BackgroundWriter:
    """Writes tables in a thread of its own, at most a few batches behind the computation."""

    _BEHIND = 8  # tables × batches

    def __init__(self, store: Store, run: str | None) -> None:
        self._store, self._run = store, run
        self._objects: dict[str, _Object] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> "BackgroundWriter":
        return self

    def write(self, sink: Sink[Any], batch: Samples, result: Any, seconds: float) -> None:  # noqa: ANN401  the sink's own result
        """Write a batch's rows in the background; an error of earlier rows is raised here.

        Args:
            sink: the table.
            batch: the samples.
            result: of the sink's `compute`.
            seconds: the time that `compute` took.
        """
        self._pending.append(self._pool.submit(self._append, sink, batch, result, seconds))
        while len(self._pending) > self._BEHIND or (self._pending and self._pending[0].done()):
            self._pending.popleft().result()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self._pending and kind is None:
                self._pending.popleft().result()
            if self._objects and kind is None:
                raise RuntimeError(f"samples are missing of {', '.join(self._objects)}: the pass ended early")
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _append(self, sink: Sink[Any], batch: Samples, result: Any, seconds: float) -> None:  # noqa: ANN401
        key = keys.samples(sink.prefix, batch.span)
        if key not in self._objects:
            writer = TableWriter(
                self._store, key, sink.schema, identity=sink.identity, widths=sink.widths, run=self._run
            )
            self._objects[key] = _Object(writer, batch.span, sink.device)
        rows = {"sample_index": batch.sample_index, **sink.columns(batch, result)}
        if self._objects[key].append(rows, seconds):
            self._objects.pop(key).commit()


class _Object:
    """One object of a table. Rows that come before their turn wait."""

    def __init__(self, writer: TableWriter, span: Span, device: str) -> None:
        self._writer, self._next, self._stop = writer, span[0], span[1]
        self._waiting: list[Columns] = []
        self._device, self._samples, self._seconds = device, span.length, 0.0

    def append(self, rows: Columns, seconds: float) -> bool:
        """Add rows that took some seconds to compute; return whether they were the last."""
        self._seconds += seconds
        index = rows["sample_index"]
        if not self._waiting and np.array_equal(index, np.arange(self._next, self._next + len(index))):
            self._writer.append(rows)
            self._next += len(index)
            return bool(self._next == self._stop)
        self._waiting.append(rows)
        return sum(len(r["sample_index"]) for r in self._waiting) == self._stop - self._next

    def commit(self) -> None:
        if self._waiting:
            joined = {name: _joined([rows[name] for rows in self._waiting]) for name in self._waiting[0]}
            order = np.argsort(joined["sample_index"])
            if not np.array_equal(joined["sample_index"][order], np.arange(self._next, self._stop)):
                raise RuntimeError(f"samples {self._next} to {self._stop}: not each of them once")
            self._writer.append({name: values[order] for name, values in joined.items()})
        self._writer.commit({"seconds": self._seconds, "device": self._device, "samples": self._samples})


def _joined(parts: Sequence[Any]) -> Any:  # noqa: ANN401  numpy's masked array has no useful type
    if any(np.ma.isMaskedArray(part) for part in parts):
        return np.ma.concatenate(parts)  # type: ignore[no-untyped-call]
    return np.concatenate(parts)
