"""Zarr behind URLs, with servers of S3 and of Google Cloud Storage on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upsample_cli.runtime.urls import UrlPath, as_path, is_url

pytest.importorskip("zarr")
pytest.importorskip("fsspec")

from tests.cli_helpers import run
from tests.pipeline_helpers import upsampled

pytestmark = pytest.mark.filterwarnings("ignore")  # of sockets and event loops

GOOGLE_SERVER = """
import socket, sys
from gcp_storage_emulator.server import create_server
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop()
"""
S3_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
import boto3
boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket="bucket")
print(port, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "name", ["s3://bucket/a/b.ome.zarr", "https://host/x.zarr", "memory://x.zarr", "gs://b/c.zarr"]
)
def test_urls_are_paths(name: str) -> None:
    path = as_path(name)
    assert isinstance(path, UrlPath)
    assert str(path) == os.fspath(path) == name
    assert str(path.with_name("y.zarr")) == name.rpartition("/")[0] + "/y.zarr"
    assert as_path(f"{path.parent}/{path.name}") == path
    assert not path.exists()


def test_file_urls_are_local_paths(tmp_path: Path) -> None:
    assert as_path(f"file://{tmp_path}/a%20b.zarr") == tmp_path / "a b.zarr"
    assert not is_url("C:/x.zarr")
    assert not is_url("s3:x")


def test_memory_is_a_store(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (20, 30, 40)).astype("u1")
    np.save(tmp_path / "in.npy", array)
    upsampled(tmp_path / "in.npy", as_path("memory://there.ome.zarr"), scale=1)
    upsampled(as_path("memory://there.ome.zarr"), tmp_path / "out.npy", scale=1.7)
    upsampled(tmp_path / "in.npy", tmp_path / "expected.npy", scale=1.7)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.load(tmp_path / "expected.npy"))


@contextmanager
def server(script: str) -> Iterator[str]:
    """The address of a server that prints its port."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", script], text=True, **pipes) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the server did not start"
        yield f"http://127.0.0.1:{port}"
        process.kill()


@pytest.fixture(scope="module")
def s3_bucket() -> Iterator[str]:
    """The URL of a bucket of an S3 server on this machine, which fsspec finds by the environment."""
    for library in ("moto", "boto3", "s3fs", "flask"):
        pytest.importorskip(library)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "x")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with server(S3_SERVER) as address:
            patch.setenv("AWS_ENDPOINT_URL", address)
            yield "s3://bucket"


@pytest.fixture(scope="module")
def google_bucket() -> Iterator[str]:
    """The URL of a bucket of a server of Google Cloud Storage on this machine."""
    import fsspec

    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # or else it calls the server by gRPC, for minutes
        for library in ("gcp_storage_emulator", "gcsfs"):
            pytest.importorskip(library)
        patch.setenv("STORAGE_EMULATOR_HOST", stack.enter_context(server(GOOGLE_SERVER)))
        patch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
        yield "gs://bucket"


@pytest.mark.parametrize("fixture", ["s3_bucket", "google_bucket"])
def test_an_object_store_on_both_sides(tmp_path: Path, fixture: str, request: pytest.FixtureRequest) -> None:
    bucket = request.getfixturevalue(fixture)
    array = np.random.default_rng(0).integers(0, 4000, (70, 40, 50)).astype("u2")
    np.save(tmp_path / "in.npy", array)
    upsampled(tmp_path / "in.npy", tmp_path / "expected.npy", scale=1.3)
    there, out = f"{bucket}/data/in.ome.zarr", f"{bucket}/out.ome.zarr"
    run(tmp_path / "in.npy", "--scale", "1", "-o", there)
    run(there, "--scale", "1.3", "-o", out)
    run(out, "--scale", "1", "-o", tmp_path / "out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.load(tmp_path / "expected.npy"))
    assert "exists" in run(there, "--scale", "1.3", "-o", out, code=4).stderr
    assert run(there, "--scale", "1.3", "-o", out, "--skip-existing").stderr.endswith("skipped\n")
    run(there, "--scale", "1.3", "-o", out, "--overwrite")


def test_a_store_that_says_no(tmp_path: Path, s3_bucket: str) -> None:
    missing = run(f"{s3_bucket}/none.zarr", "--scale", "2", "-o", tmp_path / "x.npy", code=3)
    assert "holds no Zarr group or array" in missing.stderr
    np.save(tmp_path / "in.npy", np.zeros((20, 20), "u1"))
    run(tmp_path / "in.npy", "--scale", "2", "-o", "s3://no-such-bucket/x.ome.zarr", code=4)
    tif = run(tmp_path / "in.npy", "--scale", "2", "-o", f"{s3_bucket}/x.tif", code=4)
    assert "only Zarr is written to a URL" in tif.stderr
