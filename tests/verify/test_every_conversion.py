"""Files of every kind, converted to every format: the output is what `--verify` expects, or refused with a reason."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.formats.examples import EXAMPLES
from tests.pipeline_helpers import upsampled
from upsample_cli.errors import OutputError, RequestError

SUFFIXES = [
    *(".png", ".jpg", ".webp", ".gif", ".bmp", ".tga", ".ppm", ".pam", ".pbm", ".pfm", ".sgi", ".pcx", ".qoi", ".ico"),
    *(".jp2", ".avif", ".jxl", ".hdr", ".dds", ".tif", ".ome.tif", ".npy", ".nii", ".nii.gz", ".img", ".mgz"),
    *(".zarr", ".ome.zarr"),
]
OPTIONS: list[dict[str, Any]] = [
    {"scale": "1.5"},
    {"scale": "2", "mode": "nearest"},
    {"scale": "x=0.6", "antialias": True},
    {"scale": "2", "dtype": "uint8", "rescale": "full"},
    {"scale": "2", "background": (1.0, 1.0, 1.0)},
    {"scale": "1.5", "dtype": "float32"},
]
STEP = 5  # each suffix gets every fifth example; the numbers of examples and of options have no common divisor with it


@pytest.mark.parametrize("number", range(len(SUFFIXES)), ids=SUFFIXES)
def test_an_output_of_any_kind_is_right_or_refused(tmp_path: Path, number: int) -> None:
    suffix = SUFFIXES[number]
    if suffix.endswith("zarr"):
        pytest.importorskip("zarr")
    done = 0
    for count, example in enumerate(EXAMPLES[number % STEP :: STEP]):
        source, output = tmp_path / f"in{example.suffix}", tmp_path / f"out{suffix}"
        example.make(source)
        options = OPTIONS[(number + count) % len(OPTIONS)] | {"axes": example.options.axes}
        refusal = ""
        try:
            upsampled(source, output, verify=True, **options)
        except (OutputError, RequestError) as error:
            refusal = str(error)
        assert "--verify" not in refusal, (example.id, options)
        done += not refusal
        for path in tmp_path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert done > 0
