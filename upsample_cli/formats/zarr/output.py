"""Unfinished outputs: they get their final name when they are complete, and a later run continues them if not."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import OutputError
from ...runtime.atomic import resolve_link
from ...runtime.atomic_directory import AtomicDirectory
from ...runtime.urls import is_url
from .array import StoredArray
from .documents import Node, write_nodes
from .store import Directory, ObjectStore, open_store, require_libraries

_JOURNAL = ".upsample-progress.json"
_UNFINISHED_CHUNK = re.compile(r"\.[0-9a-f]{32}\.partial$")  # left by zarr-python when it is killed
_JOURNAL_SECONDS = 1.0  # between two writes of the journal
_ABANDONED_SECONDS = 60.0  # after which another client may take over an output in an object store


@dataclass
class Journal:
    """Which regions of each array are complete: all before a position in their order, and some after it.

    Attributes:
        prefixes: by the number of an array, how many regions from the first on are complete.
        behind: by the number of an array, the positions of complete regions after those.
    """

    prefixes: dict[int, int] = field(default_factory=dict)
    behind: dict[int, set[int]] = field(default_factory=dict)

    def is_done(self, array: int, position: int) -> bool:
        """Whether a region is complete."""
        return position < self.prefixes.get(array, 0) or position in self.behind.get(array, ())

    def mark(self, array: int, position: int) -> None:
        """Note that a region is complete."""
        behind = self.behind.setdefault(array, set())
        behind.add(position)
        prefix = self.prefixes.get(array, 0)
        while prefix in behind:
            behind.remove(prefix)
            prefix += 1
        self.prefixes[array] = prefix


class ZarrOutput:
    """The store of an unfinished output.

    Attributes:
        location: the directory or the URL.
        arrays: every level of every image.
        journal: which regions are complete.
    """

    def __init__(self, store: Directory | ObjectStore, nodes: Sequence[Node], fingerprint: str) -> None:
        self.location = str(store)
        self.arrays: list[StoredArray] = []
        self._store, self._nodes, self._fingerprint = store, nodes, fingerprint
        self._owner = os.urandom(8).hex()
        self._last_written = 0.0
        self.journal = self._read_journal()

    def is_done(self, array: int, position: int) -> bool:
        """Whether a region is complete."""
        return self.journal.is_done(array, position)

    def mark(self, array: int, position: int) -> None:
        """Note that a region is complete, and write the journal from time to time."""
        self.journal.mark(array, position)
        if time.monotonic() - self._last_written >= _JOURNAL_SECONDS:
            self.write_journal()

    def write_journal(self) -> None:
        """Write the journal beside the arrays."""
        self._last_written = time.monotonic()
        record = {
            "fingerprint": self._fingerprint,
            "owner": self._owner,
            "time": time.time(),
            "prefixes": self.journal.prefixes,
            "behind": {array: sorted(positions) for array, positions in self.journal.behind.items()},
        }
        self._store.write(_JOURNAL, json.dumps(record).encode())

    def finish(self) -> int:
        """Write all metadata, that of the root last, and return the number of bytes stored."""
        write_nodes(self._store, self._nodes)
        self._store.delete(_JOURNAL)
        size = 0
        for key in self._store.keys() or ():
            if _UNFINISHED_CHUNK.search(key.name):
                self._store.delete(key.name)
            else:
                size += key.size
        return size

    def _read_journal(self) -> Journal:
        record = _journal_record(self._store)
        if record is None or record.get("fingerprint") != self._fingerprint:
            return Journal()
        prefixes = {int(array): int(prefix) for array, prefix in record["prefixes"].items()}
        return Journal(prefixes, {int(array): set(positions) for array, positions in record["behind"].items()})


@contextmanager
def open_output(path: Path, nodes: Sequence[Node], fingerprint: str, overwrite: bool) -> Iterator[ZarrOutput]:
    """Open an output for writing, and give it its final name if the block ends without an exception.

    A directory is filled beside its final name and then renamed. In an object store, which cannot rename, the metadata
    is written last, and what exists is removed first.

    Raises:
        OutputError: another process is writing it.
        FileExistsError: it exists, and `overwrite` is false.
    """
    if is_url(str(path)):
        with _in_object_store(path, nodes, fingerprint, overwrite) as output:
            yield output
        return
    try:
        with AtomicDirectory(resolve_link(path), fingerprint) as directory:
            output = ZarrOutput(Directory(directory.path), nodes, fingerprint)
            with _journal_kept(output):
                yield output
            directory.publish(overwrite)
    except BlockingIOError:
        raise OutputError("is being written by another process", path) from None


@contextmanager
def _in_object_store(path: Path, nodes: Sequence[Node], fingerprint: str, overwrite: bool) -> Iterator[ZarrOutput]:
    store = ObjectStore(str(path))
    if exists(path):
        if not overwrite:
            raise FileExistsError(path)
        store.remove_all()
    record = _journal_record(store)
    same = record is not None and record.get("fingerprint") == fingerprint  # which writes the same bytes
    if record is not None and not same and time.time() - record["time"] < _ABANDONED_SECONDS:
        raise OutputError(
            f"is being written by another process, or was {time.time() - record['time']:.0f} seconds ago; if that has "
            f"ended, try again after {_ABANDONED_SECONDS:.0f} seconds",
            path,
        )
    if record is not None and not same:
        store.remove_all()
    output = ZarrOutput(store, nodes, fingerprint)
    output.write_journal()
    with _journal_kept(output):
        yield output


@contextmanager
def _journal_kept(output: ZarrOutput) -> Iterator[None]:
    """Write the journal if the block fails, so that the next run knows what is complete."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            output.write_journal()
        raise


def exists(path: Path) -> bool:
    """Whether there is a finished Zarr hierarchy at a URL.

    Raises:
        OutputError: the store does not answer, or says no.
    """
    require_libraries(path)
    store = open_store(path)
    try:
        return any(store.read(name) is not None for name in ("zarr.json", ".zgroup", ".zarray"))
    except OSError as error:
        raise OutputError(f"cannot be accessed: {error.strerror or error}", path) from error


def _journal_record(store: Directory | ObjectStore) -> dict[str, Any] | None:
    data = store.read(_JOURNAL)
    try:
        record = None if data is None else json.loads(data)
    except ValueError:  # it was being written when its writer was killed
        return None
    return record if isinstance(record, dict) else None
