"""Every combination of colours, samples, bits and extra samples that tags can state, and shapes with axes of size 1."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.pipeline_helpers import upsampled, whole
from upsample_cli.errors import InputError, OutputError

WIDTH, HEIGHT = 13, 11
PIXELS_AT = 8192  # behind the largest directory
PALETTE, YCBCR = 3, 6
TYPES = [(1, 1), (4, 1), (8, 1), (16, 2), (32, 3)]  # bits and SampleFormat


def page(photometric: int, samples: int, kind: tuple[int, int], extra: Sequence[int], planar: bool) -> bytes:
    """A TIFF page of counted bytes, whose tags may contradict each other."""
    (bits, sample_format), parts = kind, samples if planar else 1
    part = HEIGHT * -(-WIDTH * bits * samples // parts // 8)
    shorts = {256: [WIDTH], 257: [HEIGHT], 258: [bits] * samples, 259: [1], 262: [photometric], 277: [samples]}
    shorts |= {278: [HEIGHT], 284: [1 + planar], 338: list(extra), 339: [sample_format] * samples}
    if photometric == PALETTE:
        shorts[320] = [257 * (number % 256) for number in range(3 << min(bits, 8))]
    longs = {273: [PIXELS_AT + number * part for number in range(parts)], 279: [part] * parts}
    entries, values = b"", b""
    count = sum(map(bool, [*shorts.values(), *longs.values()]))
    for code, numbers in sorted((shorts | longs).items()):
        if numbers:
            kind_number, letter = (4, "I") if code in longs else (3, "H")
            packed = struct.pack(f"<{len(numbers)}{letter}", *numbers)
            if len(packed) > 4:
                values, packed = values + packed, struct.pack("<I", 10 + 12 * count + 4 + len(values))
            entries += struct.pack("<HHI", code, kind_number, len(numbers)) + packed.ljust(4, b"\0")
    directory = struct.pack("<2sHIH", b"II", 42, 8, count) + entries + bytes(4) + values
    pixels = np.arange(part * parts, dtype=np.uint8) % 63  # as float32, these are small numbers
    return directory.ljust(PIXELS_AT, b"\0") + pixels.tobytes()


@pytest.mark.parametrize("planar", [False, True], ids=["interleaved", "planar"])
@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_pages_of_any_tags_are_written_as_they_are_read(
    tmp_path: Path, samples: int, kind: tuple[int, int], planar: bool
) -> None:
    written = 0
    for photometric in (0, 1, 2, PALETTE, 4, 5, YCBCR, 8):
        for extra in ((), (1,), (0, 2)):
            (tmp_path / "in.tif").write_bytes(page(photometric, samples, kind, extra, planar))
            refusal = ""
            try:
                upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale="1", mode="nearest", verify=True)
            except (InputError, OutputError) as error:
                refusal = str(error)
            assert "--verify" not in refusal, (photometric, extra)
            if refusal:
                continue
            written += 1
            with tifffile.TiffFile(tmp_path / "out.tif") as out:
                assert len(out.pages) == 1, (photometric, extra)
            read, again = whole(tmp_path / "in.tif"), whole(tmp_path / "out.tif")
            assert np.array_equal(read, again), (photometric, extra)
    assert written >= 12  # palettes of some types and YCbCr are refused


@pytest.mark.parametrize(("bits", "levels"), [(1, {0, 255}), (4, set(range(0, 256, 17)))])
def test_alpha_beside_indices_has_the_range_of_the_colours(tmp_path: Path, bits: int, levels: set[int]) -> None:
    (tmp_path / "in.tif").write_bytes(page(PALETTE, 2, (bits, 1), [2], planar=False))
    colours = whole(tmp_path / "in.tif")
    assert colours.shape == (HEIGHT, WIDTH, 4)
    assert set(np.unique(colours[..., 3]).tolist()) <= levels
    assert colours[..., 3].max() == 255


@pytest.mark.parametrize("shape", [(1, 5, 1), (3, 5, 1), (3, 1, 1), (3, 1, 5), (2, 3, 5, 1), (2, 3, 1, 1)], ids=str)
@pytest.mark.parametrize("output", ["out.tif", "out.ome.tif"])
def test_stacks_that_are_one_pixel_wide(tmp_path: Path, output: str, shape: tuple[int, ...]) -> None:
    """tifffile takes an axis of size 1 at the end for samples, in its own dialect and in ImageJ's."""
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    np.save(tmp_path / "in.npy", array)
    axes = "tzyx"[-len(shape) :]
    plan = upsampled(tmp_path / "in.npy", tmp_path / output, scale="1", mode="nearest", verify=True, axes=axes)
    assert plan.first.after.grid.shape == shape
    assert np.array_equal(whole(tmp_path / output).squeeze(), array.squeeze())


@pytest.mark.parametrize("compression", [None, "packbits", "zlib", "lzw"])
@pytest.mark.parametrize("layout", [{"tile": (16, 16)}, {"rowsperstrip": 3}], ids=str)
def test_bilevel_pages_of_any_layout(tmp_path: Path, compression: str | None, layout: dict[str, Any]) -> None:
    array = np.random.default_rng(0).integers(0, 2, (2, 20, 40)).astype(bool)
    tifffile.imwrite(
        tmp_path / "in.tif", array, photometric="minisblack", compression=compression, metadata=None, **layout
    )
    upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale="1", mode="nearest", verify=True)
    with tifffile.TiffFile(tmp_path / "out.tif") as out:
        assert all(np.array_equal(page.asarray(), expected) for page, expected in zip(out.pages, array, strict=True))
