"""The predicted memory: what it counts, and that predicting takes no longer for more slabs."""

import time
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.pipeline_helpers import planned
from upsample_cli.errors import RequestError, as_failure, is_memory_shortage
from upsample_cli.pipeline import plan as plan_module
from upsample_cli.runtime import prefetch

BASE = 50 * 10**6


@pytest.fixture(autouse=True)
def _a_small_program(monkeypatch):
    """This process has run other tests."""
    monkeypatch.setattr(plan_module, "baseline_bytes", lambda: BASE)
    monkeypatch.setattr(plan_module, "_WORKING_BYTES", 0)


def picture(path, side=1000, **options):
    Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(path, **options)
    return path


def test_a_picture_of_many_rows_is_refused_at_once(tmp_path):
    """It has 131,070 slabs, and each was looked at."""
    path = tmp_path / "in.gif"
    Image.new("P", (1, 1)).save(path)
    data = bytearray(path.read_bytes())
    data[6:10] = b"\xff" * 4  # the size of the screen
    path.write_bytes(data)
    start = time.process_time()
    with pytest.raises(RequestError, match=r"this needs \d+\.\d GB of memory"):
        planned(path, tmp_path / "out.png", scale=2)
    assert time.process_time() - start < 0.3


def test_an_input_counts_as_decoded_while_the_output_is_made(tmp_path):
    path = picture(tmp_path / "in.webp")
    plan = planned(path, tmp_path / "out.npy", scale=2)
    assert plan.resident_bytes == BASE + 3 * 10**6
    assert plan.decoding_bytes == pytest.approx(4.8 * 3 * 10**6)
    small = planned(path, tmp_path / "out.npy", scale=0.1)
    assert small.memory == small.resident_bytes + small.decoding_bytes


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_verify_counts_what_it_reads_back(tmp_path, suffix):
    path = picture(tmp_path / "in.png", 300)
    plans = [planned(path, tmp_path / f"out{suffix}", scale=8, verify=verify) for verify in (False, True)]
    assert plans[0].check_bytes == 0
    assert plans[1].check_bytes > 2400 * 2400 * 3
    assert plans[1].memory >= plans[1].resident_bytes + plans[1].check_bytes


def test_verify_is_refused_where_it_does_not_fit(tmp_path):
    path = picture(tmp_path / "in.png")
    limit = planned(path, tmp_path / "out.png", scale=2).memory
    planned(path, tmp_path / "out.png", scale=2, max_memory=limit)
    with pytest.raises(RequestError, match="of memory"):
        planned(path, tmp_path / "out.png", scale=2, max_memory=limit, verify=True)


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_the_memory_for_noise_is_held_against_the_limit(tmp_path, suffix):
    path = picture(tmp_path / "in.png")
    plan = planned(path, tmp_path / f"out{suffix}", scale=2)
    assert plan.worst_memory > plan.memory + 2000 * 2000 * 20
    planned(path, tmp_path / f"out{suffix}", scale=2, max_memory=plan.worst_memory)
    with pytest.raises(RequestError, match="of memory"):
        planned(path, tmp_path / f"out{suffix}", scale=2, max_memory=plan.memory + 10**6)


def test_lossless_webp_needs_more_than_lossy(tmp_path):
    lossy, lossless = picture(tmp_path / "a.webp"), picture(tmp_path / "b.webp", lossless=True)
    needed = [planned(path, tmp_path / "out.webp", scale=2).memory for path in (lossy, lossless)]
    assert needed[1] > needed[0] + 4 * 10**6 * 20


@pytest.mark.parametrize(
    ("options", "copies"),
    [({"rowsperstrip": 1000}, 1), ({"rowsperstrip": 1000, "compression": "zlib"}, 1), ({"tile": (1008, 1008)}, 2)],
)
def test_tiff_holds_the_strips_and_tiles_that_it_decodes(tmp_path, options, copies):
    samples = np.random.default_rng(0).integers(0, 2, (1000, 1000), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", samples, **options)
    with_tags = planned(tmp_path / "in.tif", tmp_path / "out.npy", scale=0.5)
    held = with_tags.resident_bytes + with_tags.decoding_bytes - BASE
    stored = (tmp_path / "in.tif").stat().st_size
    is_read_in_place = "tile" not in options and "compression" not in options
    assert held == 0 if is_read_in_place else held == pytest.approx(copies * 1e6 + stored, rel=0.1)


def test_fewer_results_wait_if_they_are_large(monkeypatch):
    monkeypatch.setattr(prefetch, "available_cores", lambda: 4)
    assert prefetch.items_in_progress(1 << 10) == 16
    assert prefetch.items_in_progress(16 << 20) == 4
    assert prefetch.items_in_progress(1 << 30) == 1
    items = iter(range(100))
    results = prefetch.map_threaded(lambda item: item, items, 32 << 20)
    assert next(results) == 0
    assert next(items) <= 4  # few were taken before their turn
    assert next(results) == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("libzstd.so.1: failed to map segment from shared object"),
        ImportError("libzstd.so.1: cannot allocate memory in static TLS block"),
        zlib.error("Error -4 while compressing data"),
        type("DeflateError", (RuntimeError,), {"__module__": "imagecodecs._deflate"})(
            "libdeflate_alloc_compressor: NULL"
        ),
    ],
)
def test_a_shortage_of_memory_is_no_bug(tmp_path, error):
    failure = as_failure(error, tmp_path / "in.png", "choose a smaller output")
    assert isinstance(failure, RequestError)
    assert str(failure).endswith("in.png: not enough memory; choose a smaller output")


def test_an_import_that_fails_for_lack_of_memory_may_have_another_text():
    advice = ImportError("Importing the C-extensions failed")
    advice.__cause__ = ImportError("libblas.so: failed to map segment from shared object")
    assert is_memory_shortage(advice)
    assert not is_memory_shortage(ImportError("No module named 'zarr'"))
