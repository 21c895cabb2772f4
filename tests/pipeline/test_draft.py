"""`--draft`: JPEG files are shrunk by the decoder first, and everything but the samples stays as without it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.cli_helpers import run
from upsample_cli import resize_file
from upsample_cli.errors import RequestError
from upsample_cli.pipeline.opening import open_input
from upsample_cli.pipeline.per_axis import PerAxis
from upsample_cli.pipeline.plan import make_plan
from upsample_cli.pipeline.request import Request

WIDTH, HEIGHT = 403, 301  # no multiples of 8, so that the last samples of a draft are means of fewer
HALF_A_LEVEL = 3.0  # and what JPEG and two filters in place of one differ by


@pytest.fixture(scope="module")
def scene():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [128 + 100 * np.sin(x / 37 + y / 53), 128 + 100 * np.cos(x / 41 - y / 77), 60 + 0.4 * x]
    return np.rint(np.stack(waves, -1)).astype(np.uint8)


def photograph(path, scene, orientation=1, mode="RGB"):
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(scene).convert(mode).save(path, quality=95, subsampling=0, exif=exif, dpi=(300, 300))
    return path


def resized(path, output, **options):
    resize_file(path, output, antialias=True, provenance=False, existing="overwrite", **options)
    with Image.open(output) as image:
        return np.asarray(image).astype(float), image.info


TARGETS = [{"fit": 50}, {"cover": (45, 45)}, {"scale": 0.1}, {"size": (30, 60)}]


@pytest.mark.parametrize(("orientation", "options"), [(n, TARGETS[n % 4]) for n in range(1, 9)], ids=str)
def test_a_draft_shows_the_same_place_in_every_orientation(tmp_path, scene, orientation, options):
    path = photograph(tmp_path / "photo.jpg", scene, orientation)
    whole, whole_info = resized(path, tmp_path / "whole.png", **options)
    draft, draft_info = resized(path, tmp_path / "draft.png", draft=True, **options)
    assert draft.shape == whole.shape
    assert draft_info == whole_info
    error = np.abs(draft - whole)
    assert 0 < error.mean() < 1  # a shift by a tenth of a sample of the output would be more
    assert error.max() <= HALF_A_LEVEL * 3


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_drafts_of_other_colours(tmp_path, scene, mode):
    path = photograph(tmp_path / "photo.jpg", scene, mode=mode)
    whole, _ = resized(path, tmp_path / "whole.png", fit=50)
    draft, _ = resized(path, tmp_path / "draft.png", fit=50, draft=True)
    assert np.abs(draft - whole).mean() < 1


@pytest.mark.parametrize(
    ("width", "factor"), [(25, 8), (26, 4), (50, 4), (51, 2), (101, 2), (102, 1), (403, 1), (800, 1)]
)
def test_twice_as_many_samples_as_the_output_has_are_left(tmp_path, scene, width, factor):
    path = photograph(tmp_path / "photo.jpg", scene)
    size = PerAxis.parse(f"x={width},y={width // 2}", "--size")
    request = Request(size=size, antialias=True, draft=True)
    with open_input(path, request) as source:
        plan = make_plan(request, source, path, tmp_path / "out.png")
        assert plan.draft == factor
        assert (f"from a draft of 1/{factor}" in plan.mode_name) == (factor > 1)
        full = make_plan(Request(size=size, antialias=True), source, path, tmp_path / "out.png")
    assert (plan.memory < full.memory) == (factor > 1)
    assert plan.first.after == full.first.after


def test_only_jpeg_files_are_drafted(tmp_path, scene):
    path = tmp_path / "photo.png"
    Image.fromarray(scene).save(path)
    whole, _ = resized(path, tmp_path / "whole.png", fit=30)
    draft, _ = resized(path, tmp_path / "draft.png", fit=30, draft=True)
    np.testing.assert_array_equal(draft, whole)


def test_the_line_says_so_and_several_targets_share_the_option(tmp_path, scene, monkeypatch):
    photograph(tmp_path / "photo.jpg", scene)
    monkeypatch.chdir(tmp_path)
    sizes = ("--fit", "20", "--fit", "60", "--fit", "403x301")
    result = run("photo.jpg", *sizes, "--antialias", "--draft", "-o", "{stem}_{size}.jpg")
    assert "403×301 RGB → 20×15 RGB, uint8, bilinear antialiased from a draft of 1/8" in result.stderr
    assert "60×45 RGB, uint8, bilinear antialiased from a draft of 1/2" in result.stderr
    assert "403×301 RGB → 403×301 RGB, uint8, linear antialiased" in result.stderr


@pytest.mark.parametrize(
    ("options", "reason"), [({}, "needs --antialias"), ({"antialias": True, "verify": True}, "verify")]
)
def test_what_contradicts_a_draft_is_refused(options, reason):
    with pytest.raises(RequestError, match=reason):
        Request(fit=PerAxis.parse("30", "--fit"), draft=True, **options)
