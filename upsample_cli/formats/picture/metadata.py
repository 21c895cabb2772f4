"""Selects the picture metadata that an output can hold, and updates it for the new size."""

from __future__ import annotations

from collections.abc import Mapping

from ...geometry import Axis
from .. import xmp
from ..base import Header
from ..documents import Documented
from ..dropped import Dropped, Loss, dropped_warning, named
from .model import Animation, EncodeSpec, PictureInfo, PictureMetadata

_ALL = frozenset(["EXIF", "XMP", "the ICC profile", "comments", "the resolution"])
_SUPPORTED = {
    **dict.fromkeys(("PNG", "JPEG", "MPO"), _ALL),
    **dict.fromkeys(("WEBP", "AVIF"), _ALL - {"comments"}),
    **dict.fromkeys(("BMP", "DIB"), frozenset(["the resolution"])),
    "GIF": frozenset(["XMP", "the ICC profile", "comments"]),
    "JPEG2000": frozenset(["comments", "the ICC profile", "the resolution"]),
    "JPEG2000 codestream": frozenset(["comments"]),
    "JPEG XL": frozenset(["EXIF", "XMP", "the resolution"]),
    "HEIF": _ALL - {"comments"},
}
_NO_GREYSCALE = ("WEBP",)
_PER_METRE, _MAX_PER_METRE = ("PNG", "BMP", "DIB"), 2**31 - 1  # formats that store whole numbers of pixels per metre
_DEFAULT_DURATION_MS = 100.0  # for frames of unknown duration

Carried = tuple[PictureMetadata, list[str]]  # metadata of the output, and warnings about what is dropped


def carry_over(header: Header, info: PictureInfo, format_name: str) -> Carried:
    """The metadata of an input picture that a file of the format can hold."""
    metadata, supported = info.metadata, supported_metadata(format_name)
    same = info.format == format_name
    items = named(
        (Loss.EXIF, "EXIF", metadata.exif),
        (Loss.XMP, "XMP", metadata.xmp),
        (Loss.COMMENT, "comments", metadata.comments),
        (Loss.ICC_PROFILE, "the ICC profile", metadata.icc),
        (Loss.SPACING, "the resolution", metadata.unit),
    )
    missing = [name for name in items if name not in supported] + ([] if same else [*metadata.foreign_items])
    warnings = dropped_warning(header._replace(foreign_items=tuple(missing)), format_name)
    if not same:
        return metadata._replace(native=None), warnings
    if format_name == "PNG":
        from .png import reader

        native, dropped = reader.valid_chunks(metadata.native, info)
        return metadata._replace(native=native), warnings + dropped
    return metadata, warnings


def from_header(header: Header, axes: Mapping[str, Axis], format_name: str) -> Carried:
    """Picture metadata made from the header of another family.

    Args:
        header: of the output.
        axes: of the output that the format can hold, by name.
        format_name: Pillow's name of the output format.
    """
    supported = supported_metadata(format_name)
    lost_profile = header.icc is not None and "the ICC profile" not in supported
    spaced = [axis.name for axis in header.grid.axes if axis.spacing is not None]
    in_plane = "the resolution" in supported and all(axes[name].in_unit("mm").unit == "mm" for name in "yx")
    lost_spacing = [name for name in spaced if not (name in "yx" and in_plane) and not (name == "t" and "t" in axes)]
    header, metadata = _with_documents(header, PictureMetadata(icc=header.icc), format_name)
    missing = named(
        (Loss.ICC_PROFILE, "the ICC profile", lost_profile),
        (Loss.SPACING, f"the spacing along {', '.join(lost_spacing)}", lost_spacing),
        (Loss.AFFINE, "the orientation (affine)", header.grid.frames),
    )
    return metadata, dropped_warning(header, format_name, *missing)


def _with_documents(header: Header, metadata: PictureMetadata, format_name: str) -> tuple[Header, PictureMetadata]:
    """Copy the documents that the format supports, and remove their items from the `foreign_items` of the header."""
    if not isinstance(header.metadata, Documented):
        return header, metadata
    documents, supported = header.metadata.documents(), supported_metadata(format_name)
    held: set[str] = set()
    if "EXIF" in supported:
        metadata = metadata._replace(exif=documents.exif)
        held |= documents.items["EXIF"]
    if "XMP" in supported:
        metadata = metadata._replace(xmp=documents.xmp)
        held |= documents.items["XMP"]
    if format_name == "JPEG" and documents.photoshop:
        from . import jpeg

        metadata = metadata._replace(native=jpeg.with_resources(documents.photoshop))
        held |= documents.items["Photoshop's resources"]
    items = tuple(item for item in header.foreign_items if item not in held)
    return header._replace(foreign_items=items), metadata


def update_for_output(spec: EncodeSpec, axes: Mapping[str, Axis], format_name: str) -> Carried:
    """The metadata of `spec` with the dimensions, resolution and frame durations of the output."""
    spacing, unit = _spacing(axes)
    animation, warnings = _animation(spec.metadata.animation, axes)
    if unit == "mm" and spacing and not _holds(format_name, spacing):
        warnings.append(Dropped(f"its spacing is dropped: {format_name} cannot hold it", Loss.SPACING))
        spacing, unit = None, None
    metadata = spec.metadata._replace(spacing=spacing, unit=unit, animation=animation)
    spec = spec._replace(metadata=metadata)
    metadata = metadata._replace(xmp=xmp.updated(metadata.xmp, spec.size, spec.dpi), exif=_exif(spec, format_name))
    if format_name == "JPEG":
        from . import jpeg

        if jpeg.exceeds_segment(metadata.xmp):
            warnings.append(Dropped("its XMP is dropped: too long for JPEG", Loss.XMP))
            metadata = metadata._replace(xmp=b"")
        if jpeg.exceeds_segments(metadata.icc):
            warnings.append("its ICC profile is dropped: too long for JPEG")
            metadata = metadata._replace(icc=None)
    if metadata.icc is not None and metadata.icc[16:20] == b"GRAY" and format_name in _NO_GREYSCALE:
        warnings.append(
            Dropped(f"the grey ICC profile is dropped, because {format_name} stores grey as RGB", Loss.ICC_PROFILE)
        )
        metadata = metadata._replace(icc=None)
    return metadata, warnings


def _holds(format_name: str, spacing: tuple[float, float]) -> bool:
    return format_name not in _PER_METRE or all(1 <= round(1000 / step) <= _MAX_PER_METRE for step in spacing)


def supported_metadata(format_name: str) -> frozenset[str]:
    """Names of the metadata items that a format can hold."""
    return _SUPPORTED.get(format_name, frozenset())


def _exif(spec: EncodeSpec, format_name: str) -> bytes:
    """EXIF of the output; includes the resolution and history if the format stores them nowhere else."""
    if "EXIF" not in supported_metadata(format_name):
        return b""
    elsewhere = format_name == "PNG"
    if format_name == "JPEG":
        from . import jpeg

        elsewhere = jpeg.jfif_holds_resolution(spec)
    history = None if format_name == "PNG" else spec.history
    if not spec.metadata.exif and history is None and elsewhere:
        return b""
    from . import exif  # rarely needed for PNG

    return exif.updated(spec.metadata.exif, spec.size, spec.dpi, history, add_resolution=not elsewhere)


def _animation(animation: Animation | None, axes: Mapping[str, Axis]) -> tuple[Animation | None, list[str]]:
    """Timing of the output frames, and a warning if durations are averaged or unknown."""
    if "t" not in axes:
        return None, []
    axis = axes["t"].in_unit("s")
    if animation is not None:
        varied = axis.size != len(animation.durations) and len(set(animation.durations)) > 1
        averaged = Dropped(
            "frame durations varied; each output frame gets an equal share of the total duration", Loss.ANIMATION
        )
        return animation.resampled(axis.size), [averaged] if varied else []
    if axis.spacing is not None and axis.unit == "s":
        return Animation((1000 * axis.spacing,) * axis.size), []
    return Animation((_DEFAULT_DURATION_MS,) * axis.size), [
        "frame durations are unknown: each frame is shown for 0.1 s"
    ]


def _spacing(axes: Mapping[str, Axis]) -> tuple[tuple[float, float] | None, str | None]:
    """Distance between samples along x and y, and its unit: mm, or None if only their ratio is known."""
    x, y = (axes[name].in_unit("mm") for name in "xy")
    if x.spacing is None or y.spacing is None or x.unit != y.unit or x.unit not in (None, "mm"):
        return None, None
    return (x.spacing, y.spacing), x.unit
