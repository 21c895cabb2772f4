"""An object store in memory whose requests fail on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest import mock

from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from upsample_cli.runtime import retry


class StoreError(Exception):
    """As the libraries of object stores raise it: no `OSError`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"status {code}")
        self.code = code


class Bucket(MemoryFileSystem):
    """A store in memory behind gs:// whose requests for chunks fail as `faults` says."""

    protocol = "gs"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    faults: Callable[[str, str], None] = staticmethod(lambda operation, path: None)

    @classmethod
    @contextmanager
    def failing(cls, faults: Callable[[str, str], None]) -> Iterator[None]:
        """Call `faults` with "read" or "write" and the key before each request."""
        with mock.patch.object(cls, "faults", staticmethod(faults)):
            yield

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("gs://").strip("/")

    def cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        Bucket.faults("read", path)
        return super().cat_file(path, *args, **kwargs)

    def pipe_file(self, path: str, *args: Any, **kwargs: Any) -> None:
        Bucket.faults("write", path)
        super().pipe_file(path, *args, **kwargs)


@contextmanager
def bucket_in_memory() -> Iterator[type[Bucket]]:
    """Put an empty `Bucket` behind gs://; the pauses between attempts are none."""
    with (
        mock.patch.dict(_registry, gs=Bucket),
        mock.patch.object(Bucket, "store", {}),
        mock.patch.object(Bucket, "pseudo_dirs", [""]),
        mock.patch.object(retry, "_WAITS_SECONDS", (0.0,) * 4),
    ):
        yield Bucket
