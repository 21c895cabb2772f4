"""Object stores that are busy, say no or are only be read."""

from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

zarr = pytest.importorskip("zarr")
pytest.importorskip("fsspec")

from tests.formats.zarr.bucket import Bucket, StoreError, bucket_in_memory  # noqa: E402
from tests.formats.zarr.stores import samples, write_image  # noqa: E402
from tests.pipeline_helpers import upsampled  # noqa: E402
from upsample_cli.errors import InputError, OutputError  # noqa: E402
from upsample_cli.runtime import retry  # noqa: E402
from upsample_cli.runtime.urls import as_path  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of sockets and event loops


@pytest.fixture
def bucket() -> Iterator[type[Bucket]]:
    with bucket_in_memory() as bucket:
        yield bucket


@pytest.fixture
def array(tmp_path: Path) -> Path:
    path = tmp_path / "in.npy"
    np.save(path, np.random.default_rng(0).integers(0, 4000, (66, 40, 30)).astype("u2"))
    upsampled(path, tmp_path / "expected.npy", scale=1.3)
    return path


@pytest.mark.parametrize(
    "error",
    [StoreError(503), StoreError(429), OSError(errno.EBUSY, "Slow Down"), TimeoutError(), ConnectionResetError()],
)
def test_a_busy_store_is_asked_again(array: Path, bucket: type[Bucket], error: Exception) -> None:
    """Every object fails at the first three attempts to read it, and to write it."""
    asked: Counter[tuple[str, str]] = Counter()

    def busy(operation: str, path: str) -> None:
        asked[operation, path] += 1
        if asked[operation, path] <= 3:
            raise error

    upsampled(array, as_path("gs://bucket/in.ome.zarr"), scale=1)
    with bucket.failing(busy):
        upsampled(as_path("gs://bucket/in.ome.zarr"), as_path("gs://bucket/out.ome.zarr"), scale=1.3)
    upsampled(as_path("gs://bucket/out.ome.zarr"), array.with_name("out.npy"), scale=1)
    np.testing.assert_array_equal(np.load(array.with_name("out.npy")), np.load(array.with_name("expected.npy")))
    assert sum(count > 3 for count in asked.values()) > 8


@pytest.mark.parametrize(
    ("error", "attempts"), [(StoreError(403), 1), (PermissionError("denied"), 1), (StoreError(503), 5)]
)
@pytest.mark.parametrize("operation", ["read", "write"])
def test_a_store_that_fails_for_good_ends_the_run(
    array: Path, bucket: type[Bucket], error: Exception, attempts: int, operation: str
) -> None:
    asked: Counter[str] = Counter()

    def refusing(asked_for: str, path: str) -> None:
        if asked_for == operation and "/0/c/" in path:
            asked[path] += 1
            raise error

    there, out = as_path("gs://bucket/in.ome.zarr"), as_path("gs://bucket/out.ome.zarr")
    upsampled(array, there, scale=1)
    kind, text = (InputError, "cannot be read: ") if operation == "read" else (OutputError, "cannot be written: ")
    with bucket.failing(refusing), pytest.raises(kind, match=text):
        upsampled(there, out, scale=1.3)
    assert max(asked.values()) == attempts  # what is asked for beside it is given up before
    assert not any("out.ome.zarr" in key and key.endswith("zarr.json") for key in bucket.store)
    upsampled(there, out, scale=1.3)  # the store has recovered
    upsampled(out, array.with_name("out.npy"), scale=1)
    np.testing.assert_array_equal(np.load(array.with_name("out.npy")), np.load(array.with_name("expected.npy")))


@pytest.mark.parametrize("same", [True, False])
def test_two_clients_at_one_output(array: Path, bucket: type[Bucket], same: bool) -> None:
    """The second begins while the first writes its first chunk; both may make the same bytes, but no others."""
    out, written, refused = as_path("gs://bucket/out.ome.zarr"), [], []

    def second(operation: str, path: str) -> None:
        if operation == "write" and "/0/c/" in path:
            written.append(path)
            if len(written) == 1:
                try:
                    upsampled(array, out, scale=1.3 if same else 1.2)
                except OutputError as error:
                    refused.append(str(error))

    with bucket.failing(second):
        upsampled(array, out, scale=1.3)
    assert len(refused) == (not same)
    assert all("is being written by another process" in text for text in refused)
    upsampled(out, array.with_name("out.npy"), scale=1)
    np.testing.assert_array_equal(np.load(array.with_name("out.npy")), np.load(array.with_name("expected.npy")))


class Handler(SimpleHTTPRequestHandler):
    """A web server with ranges, of which the first answer for each chunk is that it is busy."""

    busy: ClassVar[Counter[str]] = Counter()
    refuses = False

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        self.busy[self.path] += "/c/" in self.path
        if self.busy[self.path] == 1 or self.refuses:
            return self.send_error(403 if self.refuses else 503)
        data = path.read_bytes()
        asked = self.headers.get("Range")
        if asked is not None:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            data = data[-int(last) :] if not first else data[int(first) : int(last) + 1 if last else None]
        self.send_response(200 if asked is None else 206)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        return None

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def website(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address at which the folder of the test can be read."""
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(Handler, "busy", Counter())
    monkeypatch.setattr(retry, "_WAITS_SECONDS", (0.0,) * 4)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_web_server_is_read(tmp_path: Path, website: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(0).integers(0, 4000, (40, 45, 50)).astype("u2")
    group = zarr.open_group(str(tmp_path / "in.ome.zarr"), mode="w")
    write_image(group, "zyx", [data], [[1, 1, 1]], [[0, 0, 0]], chunks=(16,) * 3, shards=(32,) * 3)
    upsampled(tmp_path / "in.ome.zarr", tmp_path / "expected.ome.zarr", scale=1.6)
    upsampled(as_path(f"{website}/in.ome.zarr"), tmp_path / "out.ome.zarr", scale=1.6)
    np.testing.assert_array_equal(samples(tmp_path / "out.ome.zarr", "0"), samples(tmp_path / "expected.ome.zarr", "0"))
    assert max(Handler.busy.values()) > 1
    monkeypatch.setattr(Handler, "refuses", True)
    with pytest.raises(InputError, match="403"):
        upsampled(as_path(f"{website}/in.ome.zarr"), tmp_path / "no.ome.zarr", scale=1.6)
    assert not (tmp_path / "no.ome.zarr").exists()


def test_nothing_is_written_to_a_web_server(tmp_path: Path, array: Path, website: str) -> None:
    with pytest.raises(OutputError, match="only be read"):
        upsampled(array, as_path(f"{website}/out.ome.zarr"), scale=2)
