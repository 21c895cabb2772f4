"""The commands of the documentation on Zarr and clusters run as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

zarr = pytest.importorskip("zarr")

from tests.cli_helpers import run  # noqa: E402
from tests.formats.zarr.stores import write_image  # noqa: E402

ROOT = Path(__file__).parents[3]


def commands(page: str, heading: str) -> list[str]:
    """The lines of the shell examples below a heading that need neither an object store nor a scheduler."""
    section = (ROOT / page).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)).splitlines()
    return [line for line in lines if "s3://" not in line and "tcp://" not in line]


@pytest.mark.filterwarnings("ignore")  # of asyncio and sockets, when the cluster ends
@pytest.mark.parametrize(
    ("page", "heading"), [("README.md", "Beyond one machine"), ("docs/beyond-one-machine.md", "Zarr")]
)
def test_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, heading: str) -> None:
    monkeypatch.chdir(tmp_path)
    data = np.random.default_rng(0).integers(0, 900, (12, 14, 16)).astype("u2")
    if page == "README.md":
        pytest.importorskip("distributed")
        group = zarr.open_group(str(tmp_path / "volume.ome.zarr"), mode="w")
        write_image(group, "zyx", [data], [[1, 1, 1]], [[0, 0, 0]], chunks=(8, 8, 8))
    else:
        import tifffile

        tifffile.imwrite(tmp_path / "volume.tif", data)
    found = commands(page, heading)
    assert len(found) >= 2
    for line in found:
        program, *arguments = shlex.split(line)
        assert program == "upsample"
        run(*arguments, *(["--overwrite"] if "--cluster" in arguments else []))
