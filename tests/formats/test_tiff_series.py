"""Several images in a TIFF file, and the smaller versions of each."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.formats.examples import samples
from tests.pipeline_helpers import planned, upsampled
from upsample_cli.errors import InputError, OutputError, RequestError
from upsample_cli.formats.tiff import sink

STACKED = "are taken as a z stack; name their axis with --axes, such as --axes tyx"
GREY = {"photometric": "minisblack"}
ZLIB = {"tile": (16, 16), "compression": "zlib"}
DIALECTS = {"plain": {"metadata": None}, "shaped": {"metadata": {"axes": "YX"}}, "ome": {"metadata": {"axes": "YX"}}}
STACKS = {"plain": {"metadata": None}, "shaped": {"metadata": {"axes": "ZYX"}}, "ome": {"metadata": {"axes": "ZYX"}}}


def ramp(shape):
    """Values that grow along x and y, which every reduced version shows at the same places."""
    y, x = np.indices(shape[-2:])
    return np.broadcast_to((x + y), shape).astype(np.float32)


def pyramid(path: Path, dialect: str, shapes, factors=(2, 4), below=True, **options):
    """An image of each of `shapes`, with the versions that are smaller by `factors`."""
    kinds = {name: dialect == name for name in ("ome", "shaped")}
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False), **kinds) as writer:
        for shape in shapes:
            options |= GREY | (STACKS if len(shape) > 2 else DIALECTS)[dialect]
            full = ramp(shape)
            writer.write(full, subifds=len(factors) if below else None, **options)
            for factor in factors:
                level = full.reshape(*shape[:-2], shape[-2] // factor, factor, shape[-1] // factor, factor).mean(
                    (-3, -1)
                )
                writer.write(level, subfiletype=1, **options)


def levels_below(path, number=0):
    """The smaller versions of a page, as they lie in the file."""
    levels = []
    with tifffile.TiffFile(path) as tiff:
        for index, offset in enumerate(tiff.pages[number].subifds or ()):
            tiff.filehandle.seek(offset)
            page = tifffile.TiffPage(tiff, (number, index))
            assert page.subfiletype == 1
            levels.append(page.asarray())
    return levels


@pytest.mark.parametrize("options", [{}, ZLIB, {"bigtiff": True}], ids=["strips", "tiles", "bigtiff"])
@pytest.mark.parametrize("shape", [(64, 96), (3, 64, 96)], ids=["page", "stack"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_pyramid_is_built_anew(tmp_path, dialect, shape, options):
    path, out = (tmp_path / f"{name}{'.ome' if dialect == 'ome' else ''}.tif" for name in ("in", "out"))
    pyramid(path, dialect, [shape], **options)
    stacked = dialect == "plain" and len(shape) > 2
    assert planned(path, scale="x=1.5,y=1.5").warnings == (("its pages " + STACKED,) if stacked else ())
    upsampled(path, out, scale="x=1.5,y=1.5")
    with tifffile.TiffFile(out) as tiff:
        (first, *_) = tiff.series
        assert first.shape == (*shape[:-2], 96, 144)
        assert getattr(tiff, f"is_{dialect}", True)
        assert len(tiff.pages) == (shape[0] if len(shape) > 2 else 1)
        if dialect != "shaped" or len(shape) == 2:  # tifffile's own stacks have levels that are smaller along z too
            assert [level.shape for level in first.levels[1:]] == [(*shape[:-2], 48, 72), (*shape[:-2], 24, 36)]
        full = tiff.asarray(series=0)
        count = len(tiff.pages)
    for number in range(count):
        assert [level.shape for level in levels_below(out, number)] == [(48, 72), (24, 36)]
    # Averages of a ramp are the ramp between its samples; a level that is half a pixel off is off by 0.67.
    for factor, level in zip((2, 4), levels_below(out), strict=True):
        page = full.reshape(-1, 96, 144)[0]
        expected = page.reshape(96 // factor, factor, 144 // factor, factor).mean((1, 3))
        np.testing.assert_allclose(level[2:-2, 2:-2], expected[2:-2, 2:-2], atol=0.1)


def test_levels_in_the_chain_of_pages_stay_there(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    pyramid(path, "plain", [(64, 96)], below=False, tile=(16, 16))
    upsampled(path, out, scale="2")
    with tifffile.TiffFile(out) as tiff:
        assert [page.shape for page in tiff.pages] == [(128, 192), (64, 96), (32, 48)]
        assert [int(page.subfiletype) for page in tiff.pages] == [0, 1, 1]
        assert [level.shape for level in tiff.series[0].levels] == [(128, 192), (64, 96), (32, 48)]
        assert all(page.is_tiled for page in tiff.pages)


def test_levels_below_that_are_smaller_by_an_odd_number(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    pyramid(path, "plain", [(70, 98)], factors=(7,))
    upsampled(path, out, scale="2")
    assert [level.shape for level in levels_below(out)] == [(20, 28)]


def test_a_sink_that_knows_no_pyramids_says_so(tmp_path):
    path = tmp_path / "in.tif"
    pyramid(path, "shaped", [(64, 96)])
    warnings = "\n".join(planned(path, tmp_path / "out.npy", scale="2").warnings)
    assert "the lower levels of the pyramid" in warnings


def two(path: Path, dialect: str = "plain", **options):
    kinds = {name: dialect == name for name in ("ome", "shaped")}
    first, second = samples((20, 30)), samples((8, 10, 3), "uint16")
    with tifffile.TiffWriter(path, **kinds, **options) as writer:
        writer.write(first, description="first", **GREY, **DIALECTS[dialect] if dialect != "ome" else {})
        metadata = {"metadata": None} if dialect == "plain" else {"metadata": {"axes": "YXS"}}
        writer.write(second, photometric="rgb", compression="lzw", predictor=True, **metadata)
    return first, second


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}], ids=["", "big-endian", "bigtiff"])
@pytest.mark.parametrize("dialect", ["plain", "shaped"])
def test_every_image_of_a_file_is_resized(tmp_path, dialect, options):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    arrays = two(path, dialect, **options)
    assert upsampled(path, out, scale="2", mode="nearest").warnings == ()
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as tiff:
        assert len(tiff.series) == 2
        assert (tiff.byteorder, tiff.is_bigtiff) == (before.byteorder, before.is_bigtiff)
        for old, new, array in zip(before.series, tiff.series, arrays, strict=True):
            np.testing.assert_array_equal(new.asarray(), array.repeat(2, 0).repeat(2, 1))
            assert new.axes == old.axes
            for name in ("compression", "predictor", "photometric"):
                assert getattr(new.keyframe, name) == getattr(old.keyframe, name)
        assert tiff.pages[0].description == "first"


@pytest.mark.parametrize(("series", "shape"), [(0, (40, 60)), (1, (16, 20, 3))])
def test_one_image_of_a_file_may_be_chosen(tmp_path, series, shape):
    path = tmp_path / "in.tif"
    two(path)
    for out in (tmp_path / "out.tif", tmp_path / "out.npy"):
        upsampled(path, out, scale="2", series=series)
        assert (np.load(out) if out.suffix == ".npy" else tifffile.imread(out)).shape == shape
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert len(tiff.series) == 1


def test_what_no_file_can_hold_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "in.tif"
    two(path)
    with pytest.raises(OutputError, match=r"holds one image, not 2; choose one with --series 0"):
        planned(path, tmp_path / "out.npy", scale="2")
    with pytest.raises(RequestError, match=r"in\.tif: --series 2: the file holds 2"):
        planned(path, scale="2", series=2)


def test_an_image_that_cannot_be_resized_is_named(tmp_path):
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(samples((8, 9)), **GREY, metadata=None)
        writer.write(samples((16, 16)), photometric="cfa", metadata=None)
    with pytest.raises(InputError, match=r"mosaic.* in image 1; choose another one with --series"):
        planned(path, scale="2")
    assert planned(path, scale="2", series=0).first.after.grid.shape == (16, 18)


@pytest.mark.parametrize(("largest", "big"), [(110, True), (130, False)])
def test_bigtiff_as_soon_as_the_pyramid_needs_it(tmp_path, monkeypatch, largest, big):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    pyramid(path, "plain", [(64, 96)])  # 128 × 192 samples of 4 bytes are 96 KiB, and the smaller ones 30 more
    assert 4 * 128 * 192 == 96 << 10
    monkeypatch.setattr(sink, "_MAX_CLASSIC_BYTES", largest << 10)
    upsampled(path, out, scale="2")
    with tifffile.TiffFile(out) as tiff:
        assert tiff.is_bigtiff == big


def test_levels_that_are_smaller_along_z_are_dropped_and_said(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    with tifffile.TiffWriter(path) as writer:
        for size, options in ((8, {}), (4, {"subfiletype": 1})):
            writer.write(ramp((size, 8 * size, 8 * size)), metadata={"axes": "ZYX"}, **GREY, **options)
    with tifffile.TiffFile(path) as tiff:
        assert [level.shape for level in tiff.series[0].levels] == [(8, 64, 64), (4, 32, 32)]
    (warning,) = upsampled(path, out, scale="2").warnings
    assert "reduced along axes other than x and y" in warning
    with tifffile.TiffFile(out) as tiff:
        assert [series.shape for series in tiff.series] == [(16, 128, 128)]


@pytest.mark.parametrize("align_corners", [False, True])
def test_levels_lie_over_the_extent_of_the_output(tmp_path, align_corners):
    """On a ramp every sample of a level is the mean of those that it stands for, whatever the convention."""
    ramp = np.add.outer(np.arange(64.0), 2 * np.arange(64.0)).astype(np.float32)
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        writer.write(ramp, subifds=1, metadata=None)
        writer.write(ramp[::2, ::2], subfiletype=1, metadata=None)
    upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale=2, align_corners=align_corners)
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        full, level = (part.asarray() for part in tiff.series[0].levels)
    means = full.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(level[4:-4, 4:-4], means[4:-4, 4:-4], atol=1e-3)


@pytest.mark.parametrize("axes", ["syx", "tyx"])
def test_the_samples_of_a_pixel_keep_their_place(tmp_path, axes):
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb", metadata=None)
    with pytest.raises(RequestError, match=r"the samples of a pixel \(s\) are number 3 of its axes"):
        upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale=2, axes=axes)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 2.7, 0.5])
def test_tifffile_recognises_levels_of_odd_sizes(tmp_path, planar, below, scale):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples((3, 65, 97) if planar else (65, 97))
    options = {"photometric": "rgb", "planarconfig": "separate"} if planar else dict(GREY)
    options |= {"metadata": None, "tile": (16, 16)}
    with tifffile.TiffWriter(path) as writer:
        writer.write(array, subifds=2 if below else None, **options)
        for step in (2, 4):
            writer.write(np.ascontiguousarray(array[..., ::step, ::step]), subfiletype=1, **options)
    upsampled(path, out, scale=scale, verify=True)
    with tifffile.TiffFile(out) as tiff:
        assert [len(series.levels) for series in tiff.series] == [3]
        assert len(tiff.pages) == (1 if below else 3)
