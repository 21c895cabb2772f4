"""OME-TIFF: the whole OME-XML, true of the output."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from tests.formats.examples import samples
from tests.pipeline_helpers import planned, upsampled
from upsample_cli.errors import OutputError

NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
ROI = """
<ROI ID="ROI:0"><Union>
<Rectangle ID="Shape:0" X="2" Y="3" Width="4" Height="5" TheZ="1" StrokeColor="-16776961"/>
<Point ID="Shape:1" X="6.5" Y="7.5"><Transform A00="1" A01="0" A02="10" A10="0" A11="2" A12="0"/></Point>
</Union></ROI>"""
XML = """<?xml version="1.0" encoding="UTF-8"?><!-- a warning to those who edit this -->
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="{namespace} {namespace}/ome.xsd" UUID="urn:uuid:aaaaaaaa-0000-0000-0000-000000000000" Creator="a">
<Instrument ID="Instrument:0"><Objective ID="Objective:0" NominalMagnification="63.0"/></Instrument>
{images}
<StructuredAnnotations><XMLAnnotation ID="Annotation:0"><Value><d:own xmlns:d="http://their.own/ns" d:a="ü"> t
</d:own></Value></XMLAnnotation></StructuredAnnotations>{rois}
</OME>"""
IMAGE = """<Image ID="Image:{n}" Name="image {n}"><AcquisitionDate>2020-01-02T03:04:05</AcquisitionDate>
<InstrumentRef ID="Instrument:0"/><Pixels ID="Pixels:{n}" DimensionOrder="XYZCT" Type="uint16" BigEndian="false"
 SizeX="{x}" SizeY="{y}" SizeZ="4" SizeC="2" SizeT="1" PhysicalSizeX="0.5" PhysicalSizeXUnit="µm" PhysicalSizeY="500"
 PhysicalSizeYUnit="nm" PhysicalSizeZ="2"><Channel ID="Channel:{n}:0" Name="DNA" Color="65535" SamplesPerPixel="1"/>
<Channel ID="Channel:{n}:1" Name="Actin" Color="-16711681" SamplesPerPixel="1"><LightPath/></Channel>{data}{planes}
</Pixels>{ref}</Image>"""
PLANE = '<Plane TheZ="{z}" TheC="{c}" TheT="0" DeltaT="{c}.5" PositionX="1.25"/>'
PLANES = "".join(PLANE.format(z=z, c=c) for c in range(2) for z in range(4))


def ome(path: Path, images: int = 1, rois: str = "", planes: str = PLANES, ref: str = "") -> list[np.ndarray]:
    """A file with stacks of 2 channels of 4 planes, whose XML has been written by nobody's library."""
    arrays = [samples((2, 4, 10 + 4 * n, 12), "uint16") for n in range(images)]
    parts = [
        IMAGE.format(n=n, x=12, y=10 + 4 * n, data=f'<TiffData IFD="{8 * n}" PlaneCount="8"/>', planes=planes, ref=ref)
        for n in range(images)
    ]
    xml = XML.format(namespace=NAMESPACE, images="".join(parts), rois=rois).encode()
    with tifffile.TiffWriter(path, ome=False, shaped=False) as writer:
        for number, array in enumerate(arrays):
            writer.write(array, photometric="minisblack", metadata=None, description=None if number else xml)
    return arrays


def written(path: Path) -> ElementTree.Element:
    """The XML, which tifffile takes for one."""
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        assert {series.kind for series in tiff.series} == {"ome"}
        return ElementTree.fromstring(tiff.ome_metadata)


def attributes(path: Path, number: int = 0) -> dict[str, str]:
    return dict(written(path).findall("./{*}Image/{*}Pixels")[number].attrib)


def without_pixels(root: ElementTree.Element) -> list[tuple[str, dict[str, str], str]]:
    """All that is not about the samples."""
    found = []
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name not in ("OME", "Pixels", "TiffData", "Plane"):
            found.append((element.tag, dict(element.attrib), (element.text or "").strip()))
    return found


def test_everything_besides_the_samples_is_kept(tmp_path):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    ome(path)
    assert upsampled(path, out, scale="x=2,y=2").warnings == ()
    before, after = written(path), written(out)
    assert without_pixels(after) == without_pixels(before)
    assert len(without_pixels(after)) == 12
    schema = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
    assert {name: after.get(name) for name in ("Creator", schema)} == {n: before.get(n) for n in ("Creator", schema)}
    text = tifffile.tiffcomment(out)
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?><OME ')
    assert "ns0:" not in text
    assert '<d:own d:a="ü"' in text


def test_what_is_about_the_samples_is_true_of_the_output(tmp_path):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    (array,) = ome(path)
    upsampled(path, out, scale="x=2,y=0.5,z=3", mode="nearest")
    now = attributes(out)
    sizes = {"SizeX": "24", "SizeY": "5", "SizeZ": "12", "SizeC": "2", "SizeT": "1"}
    assert sizes.items() <= now.items()
    assert float(now["PhysicalSizeX"]) == 0.25
    assert (float(now["PhysicalSizeY"]), now["PhysicalSizeYUnit"]) == (1000, "nm")
    assert float(now["PhysicalSizeZ"]) == pytest.approx(2 / 3)
    assert (now["PhysicalSizeZUnit"], now["DimensionOrder"], now["Type"]) == ("µm", "XYZCT", "uint16")
    data = written(out).findall("./{*}Image/{*}Pixels/{*}TiffData")
    assert [element.attrib for element in data] == [{"IFD": "0", "PlaneCount": "24"}]
    order = [child.tag.rpartition("}")[2] for child in written(out).find("./{*}Image/{*}Pixels")]
    assert order == ["Channel", "Channel", "TiffData"]
    with tifffile.TiffFile(out) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("CZYX", (2, 12, 5, 24))
        np.testing.assert_array_equal(tiff.asarray(), array.repeat(3, 1)[:, :, ::2].repeat(2, 3))


@pytest.mark.parametrize(
    ("options", "planes", "channels", "says"),
    [
        ({"scale": "x=2"}, 8, 2, ()),
        ({"scale": "2"}, 0, 2, ("descriptions of planes",)),
        ({"scale": "c=2"}, 0, 0, ("descriptions of planes", "channels", "axis c holds channels")),
    ],
)
def test_planes_and_channels_are_kept_or_said_to_be_dropped(tmp_path, options, planes, channels, says):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    ome(path)
    warnings = upsampled(path, out, **options).warnings
    assert len(warnings) == len(says)
    assert all(word in warning for word, warning in zip(says, warnings, strict=True))
    pixels = written(out).find("./{*}Image/{*}Pixels")
    assert len(pixels.findall("{*}Plane")) == planes
    assert len(pixels.findall("{*}Channel")) == channels
    before = written(path).findall("./{*}Image/{*}Pixels/{*}Plane")
    assert [p.attrib for p in pixels.findall("{*}Plane")] == [p.attrib for p in before][:planes]


@pytest.mark.parametrize("big", [False, True])
def test_several_images(tmp_path, big):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    arrays = ome(path, images=2)
    upsampled(path, out, scale="x=2,y=2,z=1", mode="nearest")
    with tifffile.TiffFile(out) as tiff:
        for series, array in zip(tiff.series, arrays, strict=True):
            assert series.axes == "CZYX"
            np.testing.assert_array_equal(series.asarray(), array.repeat(2, 2).repeat(2, 3))
    assert [attributes(out, number)["SizeY"] for number in (0, 1)] == ["20", "28"]
    data = written(out).findall("./{*}Image/{*}Pixels/{*}TiffData")
    assert [element.get("IFD") for element in data] == ["0", "8"]


@pytest.mark.parametrize("series", [0, 1])
def test_images_that_are_left_out_leave_the_xml(tmp_path, series):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    arrays = ome(path, images=2)
    plan = upsampled(path, out, scale="x=2,y=2,z=1", mode="nearest", series=series)
    assert any("dropped from the OME-XML" in warning for warning in plan.warnings)
    assert [image.get("ID") for image in written(out).findall("./{*}Image")] == [f"Image:{series}"]
    np.testing.assert_array_equal(tifffile.imread(out), arrays[series].repeat(2, 2).repeat(2, 3))


def places(path: Path) -> dict[str, np.ndarray]:
    """Where points of the shapes lie: the corners of rectangles, and points, by the shape's affine."""
    found = {}
    for shape in written(path).findall("./{*}ROI/{*}Union/*"):
        x, y = float(shape.get("X")), float(shape.get("Y"))
        corners = [[x, y, 1], [x + float(shape.get("Width", 0)), y + float(shape.get("Height", 0)), 1]]
        transform = shape.find("./{*}Transform")
        matrix = np.eye(3)
        if transform is not None:
            matrix[:2] = [[float(transform.get(f"A{row}{column}")) for column in range(3)] for row in range(2)]
        found[shape.get("ID")] = (np.array(corners) @ matrix.T)[:, :2]
    return found


@pytest.mark.parametrize(
    ("options", "rectangle", "point"),
    [
        ({"scale": "x=2,y=2"}, [[4, 6], [12, 16]], [33, 30]),
        ({"scale": "x=0.5,y=3", "antialias": True}, [[1, 9], [3, 24]], [8.25, 45]),
        # 12 × 10 samples on 23 × 19: every second one is an old one, whose centre is its index and a half
        ({"size": "x=23,y=19", "align_corners": True}, [[3.5, 5.5], [11.5, 15.5]], [32.5, 29.5]),
    ],
)
@pytest.mark.parametrize("ref", ["", '<ROIRef ID="ROI:0"/>'])
def test_regions_follow_the_image(tmp_path, options, rectangle, point, ref):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    ome(path, rois=ROI, ref=ref)
    assert places(path)["Shape:1"][0].tolist() == [16.5, 15]
    assert upsampled(path, out, **options).warnings == ()
    now = places(out)
    np.testing.assert_allclose(now["Shape:0"], rectangle)
    np.testing.assert_allclose(now["Shape:1"][0], point)
    assert written(out).find(".//{*}Rectangle").get("TheZ") == "1"


def test_regions_of_a_plane_move_to_the_nearest(tmp_path):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    ome(path, rois=ROI, planes="")
    (warning,) = upsampled(path, out, scale="z=3").warnings
    assert "nearest" in warning
    assert written(out).find(".//{*}Rectangle").get("TheZ") == "4"  # of 3, 4, 5


def test_several_files_become_one(tmp_path):
    arrays = [samples((4, 10, 12), "uint16"), samples((4, 10, 12), "uint16")[::-1]]
    uuids = [f"urn:uuid:{n}0000000-0000-0000-0000-000000000000" for n in range(2)]
    data = "".join(
        f'<TiffData FirstC="{n}" IFD="0" PlaneCount="4"><UUID FileName="{n}.ome.tif">{uuids[n]}</UUID></TiffData>'
        for n in range(2)
    )
    image = IMAGE.format(n=0, x=12, y=10, data=data, planes="", ref="")
    for n, array in enumerate(arrays):
        xml = XML.format(namespace=NAMESPACE, images=image, rois="")
        xml = xml.replace("urn:uuid:aaaaaaaa-0000-0000-0000-000000000000", uuids[n]).encode()
        tifffile.imwrite(
            tmp_path / f"{n}.ome.tif", array, photometric="minisblack", ome=False, metadata=None, description=xml
        )
    out = tmp_path / "sub" / "out.ome.tif"
    out.parent.mkdir()
    upsampled(tmp_path / "0.ome.tif", out, scale="x=2", mode="nearest")
    np.testing.assert_array_equal(tifffile.imread(out), np.stack(arrays).repeat(2, 3))
    assert len(written(out).findall("./{*}Image/{*}Pixels/{*}TiffData")) == 1
    assert "FileName" not in tifffile.tiffcomment(out)
    (tmp_path / "1.ome.tif").unlink()
    assert any("read as zeros" in warning for warning in planned(tmp_path / "0.ome.tif", scale="x=2").warnings)


def test_the_same_again_gives_the_same_bytes_and_another_identity_than_the_input(tmp_path):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    ome(path)
    uuids, contents = [written(path).get("UUID")], []
    for _ in range(2):
        upsampled(path, out, scale="2")
        contents.append(out.read_bytes())
        uuids.append(written(out).get("UUID"))
    assert contents[0] == contents[1]
    assert uuids[0] != uuids[1] == uuids[2]
    assert re.fullmatch("urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuids[1])


@pytest.mark.parametrize("planar", [False, True])
def test_colours(tmp_path, planar):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.ome.tif"
    array = samples((3, 10, 12) if planar else (10, 12, 3))
    config, axes = ("separate", "SYX") if planar else ("contig", "YXS")
    tifffile.imwrite(path, array, photometric="rgb", planarconfig=config, metadata={"axes": axes})
    upsampled(path, out, scale="2", mode="nearest")
    with tifffile.TiffFile(out) as tiff:
        assert tiff.series[0].axes == axes
        spatial = (1, 2) if planar else (0, 1)
        np.testing.assert_array_equal(tiff.asarray(), array.repeat(2, spatial[0]).repeat(2, spatial[1]))
    assert attributes(out)["SizeC"] == "3"


@pytest.mark.parametrize(
    ("shape", "axes", "dtype", "order", "size_c"),
    [
        ((4, 5, 6), "zyx", "uint16", "XYZCT", 1),
        ((2, 3, 4, 5, 6), "ctzyx", "float32", "XYZTC", 2),
        ((2, 5, 6, 3), "zyxs", "uint8", "XYZCT", 3),
        ((5, 6), "yx", "complex64", "XYCZT", 1),
    ],
)
def test_xml_for_an_array_that_has_none(tmp_path, shape, axes, dtype, order, size_c):
    np.save(tmp_path / "in.npy", samples(shape, dtype))
    upsampled(tmp_path / "in.npy", tmp_path / "out.ome.tif", scale="x=2", axes=axes)
    now = attributes(tmp_path / "out.ome.tif")
    assert (now["DimensionOrder"], now["SizeC"]) == (order, str(size_c))
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tiff:
        assert (tiff.series[0].axes.lower(), tiff.series[0].dtype) == (axes, dtype)
    channels = written(tmp_path / "out.ome.tif").findall("./{*}Image/{*}Pixels/{*}Channel")
    assert sum(int(channel.get("SamplesPerPixel")) for channel in channels) == size_c


def test_pixels_that_ome_does_not_know_are_refused(tmp_path):
    np.save(tmp_path / "in.npy", samples((5, 6, 2)))
    with pytest.raises(OutputError, match=r"OME-TIFF cannot hold .* yxs; write \.tif"):
        planned(tmp_path / "in.npy", tmp_path / "out.ome.tif", scale="x=2", axes="yxs")


def test_regions_at_no_number_are_refused_before_work(tmp_path):
    path = tmp_path / "in.ome.tif"
    ome(path, rois=ROI.replace('A11="2"', 'A11="two"'))
    with pytest.raises(OutputError, match=r"out-in\.ome\.tif: cannot be written: the OME-XML of the input is damaged"):
        planned(path, scale="2")
