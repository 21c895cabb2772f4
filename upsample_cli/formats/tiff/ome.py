"""OME-TIFF: the XML in the image description is kept and updated for the output."""

from __future__ import annotations

import io
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import tifffile

from ...geometry import UNIT_ALIASES, Axis
from ..base import Header
from ..documents import Channel
from ..dropped import Dropped, Loss
from . import ome_rois
from .pages import page_count

_UNITLESS = "reference frame"  # OME's name for lengths that are not in metres
_TYPES = {
    "bool": "bit",
    **{name: name for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32")},
    **{"float32": "float", "float64": "double", "complex64": "complex", "complex128": "double-complex"},
}
_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
# Characters that XML cannot hold: https://www.w3.org/TR/xml/#charsets
_NOT_OF_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*")
_SIZES = re.compile(r"""\bSize([XYZCT])\s*+=\s*+["']\s*+(\d{1,18})""")
_COUNTS = re.compile(r"""\b(?:PlaneCount|NumPlanes)\s*+=\s*+["']\s*+(\d{1,18})""")
_ALWAYS_ALLOWED_PLANES, _MAX_PLANES_PER_PAGE = 1 << 16, 1000
_DISPLAY_ATTRIBUTES = ("ID", "SamplesPerPixel", "Color")  # attributes of a channel that control its display
_SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.btf")


@dataclass(frozen=True, slots=True)
class OmeImage:
    """The image of an OME-XML document that a series holds.

    Attributes:
        xml: the whole document.
        number: number of the element Image in the document.
        sizes: sizes of the axes of the series by name.
    """

    xml: str
    number: int
    sizes: Mapping[str, int]

    @property
    def pixels(self) -> Mapping[str, str]:
        """The attributes of the element that describes the samples."""
        return _all_pixels(self.xml)[self.number].attrib

    def channels(self) -> tuple[Channel, ...]:
        """The names and colours of the channels."""
        elements = [element.attrib for element in _all_pixels(self.xml)[self.number].findall("./{*}Channel")]
        return tuple(Channel(each.get("Name", ""), _colour(each.get("Color", ""))) for each in elements)

    def stripped(self) -> OmeImage:
        """The image with only its geometry and its channel colours, without names, descriptions, dates and people."""
        root, prefixes = _parse(self.xml)
        for parent, kept in ((root, ("Image",)), *((image, ("Pixels",)) for image in root.findall("./{*}Image"))):
            _keep_only(parent, kept)
            parent.attrib = {name: value for name, value in parent.attrib.items() if name == "ID"}
        for pixels in root.iterfind("./{*}Image/{*}Pixels"):
            _keep_only(pixels, ("Channel", "BinData", "TiffData", "MetadataOnly"))
            for channel in pixels.findall("./{*}Channel"):
                _keep_only(channel, ())
                channel.attrib = {name: channel.attrib[name] for name in _DISPLAY_ATTRIBUTES if name in channel.attrib}
        return OmeImage(_serialize(root, prefixes).decode(), self.number, self.sizes)


def _colour(text: str) -> str | None:
    """Red, green and blue of a colour, which OME-XML stores as a signed 32-bit RGBA number."""
    return f"{(int(text) & 0xFFFFFFFF) >> 8:06X}" if re.fullmatch(r"-?\d{1,10}", text) else None


def _keep_only(parent: Element, names: Sequence[str]) -> None:
    for child in list(parent):
        if child.tag.rpartition("}")[2] not in names:
            parent.remove(child)


def is_ome_name(name: str) -> bool:
    """Whether the name requires OME-TIFF."""
    return name.lower().endswith(_SUFFIXES)


def unsupported(header: Header, described: bool) -> str | None:
    """What OME-TIFF cannot hold, else None; axes that an OME-XML has `described` can be held."""
    grid = header.grid
    if header.dtype.name not in _TYPES:
        return f"samples of type {header.dtype.name}"
    samples = grid["s"].size if "s" in grid.names else 1
    fits = described or (samples in (1, 3, 4) and set(grid.names) <= set("tzcyxs"))
    return None if fits else f"{samples} samples in a pixel along the axes {''.join(grid.names)}"


class OversizedError(ValueError):
    """An OME-XML that describes far more planes than the file contains."""


def check_size(xml: str, pages: int, page_samples: int) -> None:
    """Check the sizes in an OME-XML: tifffile allocates memory for every plane, even if the plane is absent.

    Args:
        xml: the document.
        pages: number of pages in the file; other files may contain the rest.
        page_samples: pixels of the largest page; tifffile divides the pixels of an image by this to count its pages.

    Raises:
        OversizedError: it describes too many planes.
    """
    planes = sum(map(int, _COUNTS.findall(xml)))
    for pixels in _PIXELS.finditer(xml):
        sizes = {name: int(size) for name, size in _SIZES.findall(pixels[0])}
        planes += math.prod(sizes.values()) // max(page_samples, 1)
    if planes > max(_ALWAYS_ALLOWED_PLANES, _MAX_PLANES_PER_PAGE * pages):
        raise OversizedError(f"its OME-XML describes {planes:,} planes, but the file has only {pages:,} pages")


def find_image(tiff: tifffile.TiffFile, number: int) -> OmeImage:
    """The image of a series; tifffile has no series for images without samples."""
    xml = tiff.ome_metadata or ""
    found = _all_pixels(xml)
    numbers = list(range(len(found)))
    if len(found) > len(tiff.series):
        numbers = [n for n, pixels in enumerate(found) if pixels.find("./{*}TiffData") is not None]
    series = tiff.series[number]
    return OmeImage(xml, numbers[number], dict(zip(series.axes.lower(), series.shape, strict=True)))


def with_spacing(axis: Axis, image: OmeImage) -> Axis:
    """The axis with the spacing given in the XML."""
    name, pixels = _spacing_attribute(axis.name), image.pixels
    spacing = pixels.get(name)
    if spacing is None or not 0 < float(spacing) < math.inf:
        return axis
    unit = pixels.get(f"{name}Unit", "s" if axis.name == "t" else "µm")  # the schema's defaults
    return Axis(axis.name, axis.size, float(spacing), None if unit == _UNITLESS else UNIT_ALIASES.get(unit, unit))


def build_xml(
    headers: Sequence[Header], images: Sequence[OmeImage | None], byteorder: str, name: str
) -> tuple[bytes, list[str]]:
    """The XML of an output, and warnings about what is dropped.

    Args:
        headers: headers of the arrays of the file.
        images: the image of each array in the input; None for all if the input is not OME-TIFF.
        byteorder: ``<`` or ``>``.
        name: name of the file, from which, with the shapes, a reproducible UUID is made.
    """
    known = [image for image in images if image is not None] or [
        OmeImage(_minimal_xml(headers), number, {a.name: a.size for a in header.grid.axes})
        for number, header in enumerate(headers)
    ]
    root, prefixes = _parse(known[0].xml)
    elements = root.findall("./{*}Image")
    kept = [elements[image.number] for image in known]
    warnings = _remove_others(root, [element for element in elements if element not in kept])
    ifd = 0
    for element, image, header in zip(kept, known, headers, strict=True):
        pixels = _pixels(element)
        pixels.set("BigEndian", str(byteorder == ">").lower())
        warnings += _update(pixels, image, header)
        _set_tiff_data(pixels, ifd, page_count(header.grid))
        ifd += page_count(header.grid)
        warnings += ome_rois.transform_rois(root, element, header.grid, image.sizes, alone=len(kept) == 1)
    shapes = [header.grid.shape for header in headers]
    root.set("UUID", f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'upsample:{name}:{shapes}')}")
    return _serialize(root, prefixes), list(dict.fromkeys(warnings))


@lru_cache(maxsize=1)  # plates have hundreds of images and many megabytes of XML
def _all_pixels(xml: str) -> tuple[Element, ...]:
    """The element Pixels of each image."""
    return tuple(_pixels(image) for image in ElementTree.fromstring(xml).findall("./{*}Image"))


def _pixels(image: Element) -> Element:
    pixels = image.find("./{*}Pixels")
    if pixels is None:
        raise ValueError("an image of the OME-XML has no Pixels")
    return pixels


def _spacing_attribute(name: str) -> str:
    return "TimeIncrement" if name == "t" else f"PhysicalSize{name.upper()}"


def _minimal_xml(headers: Sequence[Header]) -> str:
    """XML made from headers alone."""
    root = Element("OME", {"xmlns": _NAMESPACE})
    for number, header in enumerate(headers):
        grid = header.grid
        sizes = {f"Size{name.upper()}": str(grid[name].size if name in grid.names else 1) for name in "xyzct"}
        leading = "".join(name for name in reversed(grid.names) if name in "zct")
        order = "XY" + leading.upper() + "".join(name for name in "CZT" if name.lower() not in leading)
        image = ElementTree.SubElement(root, "Image", {"ID": f"Image:{number}", "Name": f"Image{number}"})
        attributes = {"ID": f"Pixels:{number}", "DimensionOrder": order, "Type": "", **sizes}
        pixels = ElementTree.SubElement(image, "Pixels", attributes)
        samples = grid["s"].size if "s" in grid.names else 1
        channels = int(sizes["SizeC"])
        pixels.set("SizeC", str(channels * samples))
        for channel in range(channels):
            described = {"ID": f"Channel:{number}:{channel}", "SamplesPerPixel": str(samples)}
            ElementTree.SubElement(pixels, "Channel", described)
    return ElementTree.tostring(root, encoding="unicode")


def _remove_others(root: Element, others: Sequence[Element]) -> list[str]:
    """Remove images that are not written, and references to them."""
    identities = {element.get("ID") for element in others}
    for element in others:
        root.remove(element)
    for parent in list(root.iter()):
        for reference in parent.findall("./{*}ImageRef"):
            if reference.get("ID") in identities:
                parent.remove(reference)
    return [Dropped("images that are not resized are dropped from the OME-XML", Loss.DESCRIPTION)] if others else []


def _update(pixels: Element, image: OmeImage, header: Header) -> list[str]:
    """Update `pixels` for the output; returns warnings about what is dropped."""
    sizes = {axis.name: axis.size for axis in header.grid.axes}
    for name in "xyzct":
        if name in sizes and name in image.sizes:
            size = int(pixels.get(f"Size{name.upper()}", 1)) * sizes[name] // image.sizes[name]
            pixels.set(f"Size{name.upper()}", str(size))
    pixels.set("Type", _TYPES[header.dtype.name])
    for axis in header.grid.axes:
        if axis.spacing is not None and axis.name in "zyxt":
            pixels.set(_spacing_attribute(axis.name), repr(float(axis.spacing)))
            if axis.unit is not None or axis.name != "t":  # the default unit of lengths is µm
                pixels.set(f"{_spacing_attribute(axis.name)}Unit", axis.unit or _UNITLESS)
    _repeat_samples(pixels, sizes.get("s", 1), image.sizes.get("s", 1))
    changed = [name for name in "zct" if sizes.get(name) != image.sizes.get(name)]
    warnings: list[str] = []
    if changed and _remove(pixels, "Plane"):
        warnings.append(
            Dropped(
                "the descriptions of planes in the OME-XML (Plane) are dropped, because the planes have changed",
                Loss.DESCRIPTION,
            )
        )
    if "c" in changed and _remove(pixels, "Channel"):
        warnings.append(
            Dropped(
                "the descriptions of channels in the OME-XML (Channel) are dropped, because the channels have changed",
                Loss.DESCRIPTION,
            )
        )
    return warnings


def _repeat_samples(pixels: Element, now: int, before: int) -> None:
    """Update the number of samples of a pixel, which changes if a palette is replaced by colours."""
    if now == before:
        return
    pixels.set("SizeC", str(int(pixels.get("SizeC", 1)) * now // before))
    for channel in pixels.findall("./{*}Channel"):
        channel.set("SamplesPerPixel", str(now))


def _remove(pixels: Element, name: str) -> bool:
    """Remove all children of a name; returns whether there were any."""
    found = pixels.findall(f"./{{*}}{name}")
    for child in found:
        pixels.remove(child)
    return bool(found)


def _set_tiff_data(pixels: Element, ifd: int, planes: int) -> None:
    """State in which pages of the file the planes are stored."""
    for name in ("BinData", "TiffData", "MetadataOnly"):
        _remove(pixels, name)
    namespace = pixels.tag.rpartition("}")
    data = Element(f"{namespace[0]}{namespace[1]}TiffData", {"IFD": str(ifd), "PlaneCount": str(planes)})
    pixels.insert(len(pixels.findall("./{*}Channel")), data)


def _parse(xml: str) -> tuple[Element, dict[str, str]]:
    """The document and the prefixes of its namespaces, which ElementTree does not keep."""
    root = ElementTree.fromstring(xml)
    prefixes: dict[str, str] = {}
    for _, (prefix, uri) in ElementTree.iterparse(io.BytesIO(xml.encode()), ["start-ns"]):
        taken = prefix in prefixes.values()
        prefixes.setdefault(uri, f"ns{len(prefixes)}" if taken else prefix)
    if any(not element.tag.startswith("{") for element in root.iter()):  # which would join the default namespace
        prefixes = {uri: prefix or "OME" for uri, prefix in prefixes.items()}
    return root, prefixes


def _serialize(root: Element, prefixes: Mapping[str, str]) -> bytes:
    def short(name: str) -> str:
        uri, brace, local = name[1:].partition("}")
        prefix = prefixes.get(uri, "xml") if brace else ""
        return f"{prefix}:{local}" if prefix else local if brace else name

    for element in root.iter():
        element.tag = short(element.tag)
        for name in [name for name in element.attrib if name.startswith("{")]:
            element.set(short(name), element.attrib.pop(name))
    for uri, prefix in prefixes.items():
        root.set(f"xmlns:{prefix}" if prefix else "xmlns", uri)
    xml = _NOT_OF_XML.sub("\ufffd", ElementTree.tostring(root, encoding="unicode"))
    return f'<?xml version="1.0" encoding="UTF-8"?>{xml}'.encode()
