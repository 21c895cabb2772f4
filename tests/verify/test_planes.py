"""``--verify`` reads every plane of TIFF files whose dialect defines their pages, and finds planes that are swapped."""

import re

import numpy as np
import pytest
import tifffile

from tests.formats.examples import samples
from tests.pipeline_helpers import upsampled
from upsample_cli.formats import open_source
from upsample_cli.formats.base import ReadOptions
from upsample_cli.formats.tiff.source import TiffSource
from upsample_cli.verify.planes import planes_of
from upsample_cli.verify.readback.model import MismatchError
from upsample_cli.verify.tiff_input import check_reading

SHAPE = (2, 3, 4, 6, 7)
RGB = {"photometric": "rgb"}


def ome(path, axes="TZCYX", array=None, **options):
    array = samples(SHAPE, "uint16") if array is None else array
    tifffile.imwrite(path, array, ome=True, metadata={"axes": axes}, photometric="minisblack", **options)


def ome_backwards(path):
    """Planes in the opposite order of that of their pages, as elements TiffData say."""
    ome(path)
    with tifffile.TiffFile(path) as tiff:
        pages, document = [page.asarray() for page in tiff.pages], tiff.ome_metadata
    count, places = len(pages), np.ndindex(2, 3, 4)
    places = "".join(
        f'<TiffData IFD="{count - 1 - n}" FirstT="{t}" FirstZ="{z}" FirstC="{c}"/>'
        for n, (t, z, c) in enumerate(places)
    )
    text = re.sub("<TiffData.*?</TiffData>|<TiffData[^>]*/>", places, document, count=1, flags=re.DOTALL)
    with tifffile.TiffWriter(path) as writer:
        for number, page in enumerate(pages):
            description = {"description": text.encode()} if number == 0 else {}
            writer.write(page, contiguous=False, metadata=None, photometric="minisblack", **description)


def imagej(path, **options):
    tifffile.imwrite(path, samples(SHAPE, "uint16"), imagej=True, metadata={"axes": "TZCYX"}, **options)


def imagej_pages(path):
    """A page for each plane."""
    imagej(path)
    with tifffile.TiffFile(path) as tiff:
        description, array = tiff.pages[0].description, tiff.asarray().reshape(-1, 6, 7)
    with tifffile.TiffWriter(path) as writer:
        for number, page in enumerate(array):
            text = {"description": description} if number == 0 else {}
            writer.write(page, contiguous=False, metadata=None, photometric="minisblack", compression="zlib", **text)


def slide(path):
    with tifffile.TiffWriter(path) as writer:
        options = {"metadata": None, "contiguous": False, **RGB}
        writer.write(samples((32, 48, 3)), tile=(16, 16), description="Aperio Image Library v1\n48x32", **options)
        writer.write(samples((8, 12, 3)), description="Aperio Image Library v1\nlabel", subfiletype=0, **options)


FILES = {
    "ome": ome,
    "ome, channels slowest": lambda path: ome(path, "CTZYX"),
    "ome, compressed": lambda path: ome(path, compression="zlib"),
    "ome, colours": lambda path: tifffile.imwrite(path, samples((5, 6, 7, 3)), ome=True, **RGB),
    "ome, backwards": ome_backwards,
    "imagej": imagej,
    "imagej, colours": lambda path: tifffile.imwrite(path, samples((5, 6, 7, 3)), imagej=True, **RGB),
    "imagej, page by page": imagej_pages,
    "shaped": lambda path: tifffile.imwrite(path, samples((5, 6, 7)), photometric="minisblack"),
    "shaped, first page only": lambda path: tifffile.imwrite(
        path, samples((5, 6, 7)), photometric="minisblack", metadata={"truncate": True}
    ),
    "positions": lambda path: tifffile.imwrite(
        path, samples((2, 3, 6, 7)), photometric="minisblack", metadata={"axes": "TRYX"}
    ),
    "svs": slide,
}


@pytest.fixture(params=FILES)
def path(request, tmp_path):
    path = tmp_path / ("in.ome.tif" if "ome" in request.param else "in.tif")
    FILES[request.param](path)
    return path


def compare(path):
    with tifffile.TiffFile(path) as tiff, open_source(path, ReadOptions()) as source:
        sources = [source, *source.others]
        planes = planes_of(tiff, [one.header for one in sources])
        assert planes
        assert None not in planes
        check_reading(planes, sources, path)


def test_planes_are_read_where_they_are(path):
    compare(path)
    upsampled(path, path.with_name(f"out{''.join(path.suffixes)}"), scale=2, mode="nearest", verify=True)


def test_a_plane_that_is_read_from_the_wrong_place_is_found(path, monkeypatch):
    read = TiffSource.read

    def next_plane(self, axis, start, stop):
        height = self.header.grid["y"].size
        count = np.prod(self.header.grid.shape[:axis], dtype=int) * height
        start, stop = (start + height, stop + height) if start + height < count else (start % height, stop % height)
        return read(self, axis, start, stop) if count > height else read(self, axis, start, stop) + np.uint8(1)

    monkeypatch.setattr(TiffSource, "read", next_plane)
    with pytest.raises(MismatchError, match=r"row \d+ of page .* of the input differs"):
        compare(path)
