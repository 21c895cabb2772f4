"""Pages of TIFF files: which ones are a stack, and that all others are kept, in order, each with what belongs to it."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats.examples import samples
from tests.pipeline_helpers import planned, upsampled
from upsample_cli.errors import InputError, OutputError
from upsample_cli.formats.tiff import sink
from upsample_cli.formats.tiff.directories import read_chain
from upsample_cli.formats.tiff.source import TiffSource

GREY = {"photometric": "minisblack", "metadata": None}
STACK_NOTE = "its pages are taken as a z stack; name their axis with --axes, such as --axes tyx"
A, B = samples((12, 14)), samples((6, 7))


def write_pages(path, *pages):
    """Write arrays, or pairs of an array and the arguments of `TiffWriter.write`, each as a page."""
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            array, options = page if isinstance(page, tuple) else (page, {})
            writer.write(array, contiguous=False, **GREY | options)


def pages_of(path):
    with tifffile.TiffFile(path) as tiff:
        return [page.asarray() for page in tiff.pages]


def doubled(array):
    return array.repeat(2, 0).repeat(2, 1)


def colormap(seed):
    return np.random.default_rng(seed).integers(0, 65536, (3, 256), np.uint16)


KINDS = {
    "bilevel": (samples((12, 14)) > 99, {}),
    "palette": (A, {"photometric": "palette", "colormap": colormap(0)}),
    "rgb": (samples((12, 14, 3)), {"photometric": "rgb"}),
    "cmyk": (samples((12, 14, 4)), {"photometric": "separated"}),
    "part-of-several": (A, {"subfiletype": 2}),
    "page-number": (A, {"extratags": [(297, 3, 2, (0, 3), True)]}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_pages_of_documents_are_not_blended(tmp_path, kind, mode):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array, options = KINDS[kind]
    arrays = [array, array[::-1], array[:, ::-1]]
    write_pages(path, *((np.ascontiguousarray(one), options) for one in arrays))
    plan = upsampled(path, out, scale=2, mode=mode, verify=True)
    assert STACK_NOTE not in plan.warnings
    found = pages_of(out)
    assert len(found) == 3
    if mode == "nearest":
        for page, one in zip(found, arrays, strict=True):
            np.testing.assert_array_equal(page, doubled(one))
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as after:
        for code in (254, 297):
            assert after.pages[0].tags.valueof(code) == before.pages[0].tags.valueof(code)


def test_grey_pages_of_one_size_are_a_stack_and_it_is_said(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    write_pages(path, A, A[::-1], A)
    assert upsampled(path, out, scale=2, verify=True).warnings == (STACK_NOTE,)
    assert len(pages_of(out)) == 6
    assert upsampled(path, out, scale=2, axes="tyx", verify=True).warnings == ()
    assert len(pages_of(out)) == 3


def test_pages_that_the_user_names_are_a_stack(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    write_pages(path, KINDS["rgb"], KINDS["rgb"])
    assert upsampled(path, out, scale=2, axes="zyx", verify=True).first.after.grid.shape == (4, 24, 28, 3)
    assert len(pages_of(out)) == 4


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_pages_of_several_sizes_keep_their_order(tmp_path, mode):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    write_pages(path, A, B, A[::-1], A, B[::-1])
    upsampled(path, out, scale=2, mode=mode, verify=True)
    found = pages_of(out)
    assert [page.shape for page in found] == [(24, 28), (12, 14), (24, 28), (24, 28), (12, 14)]
    if mode == "nearest":
        for page, array in zip(found, [A, B, A[::-1], A, B[::-1]], strict=True):
            np.testing.assert_array_equal(page, doubled(array))


@pytest.mark.parametrize("ratio", [2, 3, 4])
def test_a_later_page_that_is_smaller_is_not_a_level(tmp_path, ratio):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    small = samples((24 // ratio, 48 // ratio), "uint8")[::-1]
    write_pages(path, samples((24, 48)), small)
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    np.testing.assert_array_equal(pages_of(out)[1], doubled(small))


def test_a_file_that_is_uniform_where_tifffile_looks(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    pages = [A] * 9
    pages[2] = pages[4] = B  # tifffile compares the pages 1, 7 and the last one
    write_pages(path, *pages)
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    for page, array in zip(pages_of(out), pages, strict=True):
        np.testing.assert_array_equal(page, doubled(array))


def test_pages_of_one_kind_that_are_compressed_differently_are_a_stack(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    write_pages(path, A, (A[::-1], {"compression": "zlib"}), (A, {"rowsperstrip": 5}))
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    np.testing.assert_array_equal(pages_of(out)[2], doubled(A[::-1]))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_every_page_has_its_own_palette(tmp_path, mode):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    write_pages(path, *((A, {"photometric": "palette", "colormap": colormap(n)}) for n in range(3)))
    upsampled(path, out, scale=2, mode=mode, verify=True)
    for number in range(3):
        colours = np.moveaxis(colormap(number), 0, -1)[A]
        with tifffile.TiffFile(out) as tiff:
            page = tiff.pages[number]
            if mode == "nearest":
                np.testing.assert_array_equal(page.colormap, colormap(number))
                np.testing.assert_array_equal(page.asarray(), doubled(A))
            else:
                np.testing.assert_array_equal(page.asarray()[0, 0], colours[0, 0])


def one_bit_palettes(path):
    """Two pages with palettes of two colours; gives these colours."""
    colours = np.array([[[7000, 65535, 300], [60000, 1, 30000]], [[65535, 0, 2], [0, 9, 65535]]], np.uint16)
    bits = samples((12, 14)) > 99
    write_pages(path, *((bits, {"extratags": [(320, 3, 6, two.T.ravel().tolist(), True)]}) for two in colours))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for page in tiff.pages:
            page.tags["PhotometricInterpretation"].overwrite(3)  # tifffile writes no palettes of two colours
    return colours[:, bits.astype(int)]


@pytest.mark.parametrize("scale", [1.5, 2])
def test_palettes_of_two_colours_are_verified(tmp_path, scale):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    shown = one_bit_palettes(path)
    upsampled(path, out, scale=scale, mode="linear", verify=True)
    for page, colours in zip(pages_of(out), shown, strict=True):
        corners = np.ix_([0, -1], [0, -1])
        np.testing.assert_array_equal(page[corners], colours[corners])


def test_verify_withholds_palettes_of_two_colours_that_were_read_wrongly(tmp_path, monkeypatch):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    one_bit_palettes(path)
    read = TiffSource.read
    monkeypatch.setattr(TiffSource, "read", lambda *arguments: read(*arguments)[..., ::-1])
    with pytest.raises(OutputError, match="row 0 of page 0 of the input differs from what tifffile reads"):
        upsampled(path, out, scale=2, mode="linear", verify=True)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_indices_beyond_the_palette_are_black(tmp_path, mode):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    colours = colormap(0)[:, :65]
    write_pages(path, (A, {"extratags": [(320, 3, colours.size, colours.ravel().tolist(), True)]}))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["PhotometricInterpretation"].overwrite(3)
    assert A.min() < 65 <= A.max()
    upsampled(path, out, scale=2, mode=mode, verify=True)
    with tifffile.TiffFile(out) as tiff:
        page = tiff.pages[0]
        shown = page.asarray() if mode == "linear" else np.moveaxis(page.colormap[:, page.asarray()], 0, -1)
    expected = np.where(A[..., None] < 65, np.moveaxis(colours[:, np.minimum(A, 64)], 0, -1), 0)
    np.testing.assert_array_equal(shown[0, 0], expected[0, 0])
    np.testing.assert_array_equal(shown[-1, -1], expected[-1, -1])


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_palette_and_grey_pages_do_not_fuse(tmp_path, mode):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    palette = (A, {"photometric": "palette", "colormap": colormap(1)})
    write_pages(path, KINDS["rgb"], palette, A, KINDS["rgb"], A)
    upsampled(path, out, scale=2, mode=mode, verify=True)
    assert len(pages_of(out)) == 5


@pytest.mark.parametrize("size", [(12, 14), (12, 20)])
def test_images_in_sub_directories_are_pages(tmp_path, size):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    below = samples(size)[::-1]
    write_pages(path, (A, {"subifds": 1}), below, B)
    plan = upsampled(path, out, scale=2, mode="nearest", verify=True)
    assert "images in sub-directories (SubIFDs) are written as pages of their own" in plan.warnings
    found = pages_of(out)
    for page, array in zip(found, [A, below, B], strict=True):
        np.testing.assert_array_equal(page, doubled(array))


def test_reduced_pages_that_follow_a_page_are_its_levels(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    full, mask = samples((64, 96, 3)), samples((64, 96)) > 9
    write_pages(
        path,
        (full, {"photometric": "rgb"}),
        (mask, {"subfiletype": 4}),
        (full[::3, ::3], {"photometric": "rgb", "subfiletype": 1}),
        (mask[::2, ::2], {"subfiletype": 5}),
    )
    plan = upsampled(path, out, scale=2, verify=True)
    assert [image.after.levels for image in plan.images] == [((43, 64, 3),), ((64, 96),)]
    with tifffile.TiffFile(out) as tiff:
        assert [int(page.subfiletype) for page in tiff.pages] == [0, 1, 4, 5]


def looping(path, target):
    """Let the last of three pages lead to the page `target`."""
    write_pages(path, *((A, {"photometric": "palette", "colormap": colormap(n)}) for n in range(3)))
    with tifffile.TiffFile(path) as tiff:
        offsets = [page.offset for page in tiff.pages]
        link = tiff.pages.next_page_offset
    data = bytearray(path.read_bytes())
    data[link : link + 4] = struct.pack("<I", offsets[target])
    path.write_bytes(data)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_pages_before_a_loop_are_read(tmp_path, target, capfd):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    looping(path, target)
    warnings = upsampled(path, out, scale=2, mode="nearest", verify=True).warnings
    assert warnings == ("its chain of pages loops: the 3 pages before the loop are read",)
    assert len(pages_of(out)) == 3


def test_a_chain_that_leads_beyond_the_end_is_refused(tmp_path):
    path = tmp_path / "in.tif"
    write_pages(path, A, A)
    with tifffile.TiffFile(path) as tiff:
        end = tiff.pages[1].offset
    path.write_bytes(path.read_bytes()[: end + 20])
    with pytest.raises(InputError, match="is truncated: parts of it lie beyond its end"):
        planned(path, scale=2)


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        (lambda pages: [*pages[:1], *pages[2:]], "it has 2 pages where 3"),
        (lambda pages: [*pages, pages[0]], "it has 4 pages where 3 were planned"),
        (lambda pages: [pages[0], pages[0], pages[2]], "the palette of page 1|is not what the mode gives"),
    ],
    ids=["missing", "surplus", "repeated"],
)
def test_verify_counts_and_compares_pages(tmp_path, monkeypatch, lose, says):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    write_pages(path, *((A, {"photometric": "palette", "colormap": colormap(n)}) for n in range(3)))
    write = sink.TiffSink.write

    def spoilt(self, paths, arrays):
        write(self, paths, arrays)
        with tifffile.TiffFile(paths[0]) as tiff:
            found = [(page.asarray(), {"photometric": "palette", "colormap": page.colormap}) for page in tiff.pages]
        write_pages(paths[0], *lose(found))

    monkeypatch.setattr(sink.TiffSink, "write", spoilt)
    with pytest.raises(OutputError, match=says):
        upsampled(path, out, scale=2, mode="nearest", verify=True)
    assert not out.exists()


@pytest.mark.parametrize(
    ("code", "value", "says"),
    [(274, 3, "the orientation of page 0 is 1, not 3"), (338, 2, "the extra samples of page 0")],
)
def test_verify_compares_what_belongs_to_a_page(tmp_path, monkeypatch, code, value, says):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples((12, 14, 4))
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "extratags": [(274, 3, 1, 3, True)]}
    write_pages(path, (array, options))
    write = sink.TiffSink.write

    def spoilt(self, paths, arrays):
        write(self, paths, arrays)
        wrong = {274: {"extratags": ()}, 338: {"extrasamples": ["unspecified"]}}[code]
        write_pages(paths[0], (pages_of(paths[0])[0], options | wrong))

    monkeypatch.setattr(sink.TiffSink, "write", spoilt)
    with pytest.raises(OutputError, match=says):
        upsampled(path, out, scale=2, mode="nearest", verify=True)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_the_chain_of_pages_is_read_as_by_tifffile(tmp_path, bigtiff, byteorder):
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff, byteorder=byteorder) as writer:
        for _ in range(4):
            writer.write(A, contiguous=False, **GREY)
    with path.open("rb") as file, tifffile.TiffFile(path) as tiff:
        chain = read_chain(file)
        assert [directory.offset for directory in chain.directories] == [page.offset for page in tiff.pages]
        assert not chain.loops


def test_pillow_reads_every_page(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    pictures = [Image.fromarray(samples((9, 8, 3))), Image.fromarray(A).convert("1"), Image.fromarray(A)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    with Image.open(out) as image:
        assert image.n_frames == 3
        for number, picture in enumerate(pictures):
            image.seek(number)
            np.testing.assert_array_equal(np.asarray(image), doubled(np.asarray(picture)))


@pytest.mark.parametrize("kind", [16, 17])
@pytest.mark.parametrize("offset", [1, 10**8, 2**44 + 5, 2**63 - 1])
def test_sub_directories_that_cannot_be_read_are_dropped_with_a_warning(tmp_path, offset, kind):
    path = tmp_path / "in.tif"
    write_pages(path, (A, {"extratags": [(65001, 16, 1, offset, False)]}))  # tifffile writes no tag 330 by itself
    data = path.read_bytes()
    assert data.count(struct.pack("<HH", 65001, 16)) == 1
    path.write_bytes(data.replace(struct.pack("<HH", 65001, 16), struct.pack("<HH", 330, kind)))
    plan = upsampled(path, tmp_path / "out.tif", scale=2, mode="nearest", verify=True)
    assert "1 sub-directories (SubIFDs) cannot be read and are dropped" in plan.warnings
    assert len(pages_of(tmp_path / "out.tif")) == 1


def test_a_page_with_a_depth_is_no_plane_of_a_stack(tmp_path):
    path = tmp_path / "in.tif"
    write_pages(path, B, B, (B, {"extratags": [(65001, 4, 1, 3, False)]}))  # tifffile writes no tag 32997 by itself
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<HH", 65001, 4), struct.pack("<HH", 32997, 4)))
    with pytest.raises(InputError, match="truncated"):
        upsampled(path, tmp_path / "out.tif", scale=2, verify=True)
