"""Zarr behind URLs, with a server of S3 on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from upsample_cli.runtime.urls import UrlPath, as_path, is_url

pytest.importorskip("zarr")
pytest.importorskip("fsspec")

from tests.pipeline_helpers import upsampled

SERVER = """
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


@pytest.mark.filterwarnings("ignore")
def test_memory_is_a_store(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (20, 30, 40)).astype("u1")
    np.save(tmp_path / "in.npy", array)
    upsampled(tmp_path / "in.npy", as_path("memory://there.ome.zarr"), scale=1)
    upsampled(as_path("memory://there.ome.zarr"), tmp_path / "out.npy", scale=1.7)
    upsampled(tmp_path / "in.npy", tmp_path / "expected.npy", scale=1.7)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.load(tmp_path / "expected.npy"))


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The environment of a command that finds an S3 server on this machine."""
    for library in ("moto", "boto3", "s3fs", "flask"):
        pytest.importorskip(library)
    values = {
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    variables = {**os.environ, **values}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=variables, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        yield {**variables, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        server.terminate()


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "upsample_cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_an_object_store_on_both_sides(tmp_path: Path, environment: dict[str, str]) -> None:
    array = np.random.default_rng(0).integers(0, 4000, (70, 80, 90)).astype("u2")
    np.save(tmp_path / "in.npy", array)
    upsampled(tmp_path / "in.npy", tmp_path / "expected.npy", scale=1.3)
    there, out = "s3://bucket/data/in.ome.zarr", "s3://bucket/out.ome.zarr"
    for source, target, scale in (
        (str(tmp_path / "in.npy"), there, "1"), (there, out, "1.3"), (out, str(tmp_path / "out.npy"), "1"),
    ):  # fmt: skip
        made = run(environment, source, "--scale", scale, "-o", target)
        assert made.returncode == 0, made.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.load(tmp_path / "expected.npy"))
    again = run(environment, there, "--scale", "1.3", "-o", out)
    assert again.returncode == 4
    assert "exists" in again.stderr
    assert run(environment, there, "--scale", "1.3", "-o", out, "--skip-existing").stderr.endswith("skipped\n")
    assert run(environment, there, "--scale", "1.3", "-o", out, "--overwrite").returncode == 0


def test_a_store_that_says_no(tmp_path: Path, environment: dict[str, str]) -> None:
    missing = run(environment, "s3://bucket/none.zarr", "--scale", "2", "-o", str(tmp_path / "x.npy"))
    assert missing.returncode == 3
    assert "holds no Zarr group or array" in missing.stderr
    np.save(tmp_path / "in.npy", np.zeros((20, 20), "u1"))
    refused = run(environment, str(tmp_path / "in.npy"), "--scale", "2", "-o", "s3://no-such-bucket/x.ome.zarr")
    assert refused.returncode == 4, refused.stderr
    tif = run(environment, str(tmp_path / "in.npy"), "--scale", "2", "-o", "s3://bucket/x.tif")
    assert tif.returncode == 4
    assert "only Zarr is written to a URL" in tif.stderr
