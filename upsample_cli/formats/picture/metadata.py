"""What a picture's file says beside its samples, carried over to the output and made true of it."""

from __future__ import annotations

from collections.abc import Mapping

from ...geometry import Axis
from .. import xmp
from ..base import Header, dropped_warning
from .model import Animation, Metadata, Picture, PictureMetadata

_ALL = frozenset(["EXIF", "XMP", "the ICC profile", "comments", "the resolution"])
_HOLDS = {
    **dict.fromkeys(("PNG", "JPEG", "MPO"), _ALL),
    **dict.fromkeys(("WEBP", "AVIF"), _ALL - {"comments"}),
    **dict.fromkeys(("BMP", "DIB"), frozenset(["the resolution"])),
    "GIF": frozenset(["XMP", "the ICC profile", "comments"]),
    "JPEG2000": frozenset(["comments"]),
}
_WITHOUT_GREY = ("WEBP",)
_SHOWN_FOR = 100.0  # milliseconds, where nothing says how long

Said = tuple[PictureMetadata, list[str]]  # notes, and warnings of what is not among them


def carry_over(header: Header, metadata: Metadata, format_name: str) -> Said:
    """What the notes of a picture can be in a file of the format."""
    notes, known = metadata.notes, held(format_name)
    same = metadata.format == format_name
    items: list[tuple[str, object]] = [("EXIF", notes.exif), ("XMP", notes.xmp), ("comments", notes.comments)]
    items += [("the ICC profile", notes.icc), ("the resolution", notes.unit)]
    missing = [name for name, value in items if value and name not in known] + ([] if same else [*notes.foreign_items])
    warnings = dropped_warning(header._replace(foreign_items=tuple(missing)), format_name)
    if not same:
        return notes._replace(own=None), warnings
    if format_name == "PNG":
        from .png import reader

        own, said = reader.still_true(notes.own, metadata)
        return notes._replace(own=own), warnings + said
    return notes, warnings


def from_header(header: Header, axes: Mapping[str, Axis], format_name: str) -> Said:
    """Notes of what any header says.

    Args:
        header: of the output.
        axes: those that the file has a place for.
        format_name: of the file.
    """
    known = held(format_name)
    missing = [] if header.icc is None or "the ICC profile" in known else ["the ICC profile"]
    spaced = [axis.name for axis in header.grid.axes if axis.spacing is not None]
    in_plane = "the resolution" in known and all(axes[name].in_unit("mm").unit == "mm" for name in "yx")
    gone = [name for name in spaced if not (name in "yx" and in_plane) and not (name == "t" and "t" in axes)]
    missing += [f"the spacing along {', '.join(gone)}"] if gone else []
    missing += ["the orientation (affine)"] if header.grid.frames else []
    return PictureMetadata(icc=header.icc), dropped_warning(header, format_name, *missing)


def update_for_output(picture: Picture, axes: Mapping[str, Axis], format_name: str) -> Said:
    """The notes of a picture with the dimensions, the resolution and the times of the output."""
    spacing, unit = _spacing(axes)
    animation, warnings = _animation(picture.notes.animation, axes)
    notes = picture.notes._replace(spacing=spacing, unit=unit, animation=animation)
    picture = picture._replace(notes=notes)
    notes = notes._replace(xmp=xmp.updated(notes.xmp, picture.size, picture.dpi), exif=_exif(picture, format_name))
    if format_name == "JPEG":
        from . import jpeg

        if jpeg.is_too_long(notes.xmp):
            warnings.append("its XMP is dropped: it is too long for JPEG")
            notes = notes._replace(xmp=b"")
    if notes.icc is not None and notes.icc[16:20] == b"GRAY" and format_name in _WITHOUT_GREY:
        warnings.append(f"{format_name} makes RGB of grey: its profile, which is of grey, is dropped")
        notes = notes._replace(icc=None)
    return notes, warnings


def held(format_name: str) -> frozenset[str]:
    """What a format can say beside samples, in words."""
    return _HOLDS.get(format_name, frozenset())


def _exif(picture: Picture, format_name: str) -> bytes:
    """EXIF that is true of the output, and says what the format has no other place for."""
    if "EXIF" not in held(format_name):
        return b""
    elsewhere = format_name == "PNG"
    if format_name == "JPEG":
        from . import jpeg

        elsewhere = jpeg.has_resolution(picture)
    history = None if format_name == "PNG" else picture.history
    if not picture.notes.exif and history is None and elsewhere:
        return b""
    from . import exif  # which most PNG have no need of

    return exif.updated(picture.notes.exif, picture.size, picture.dpi, history, add_resolution=not elsewhere)


def _animation(animation: Animation | None, axes: Mapping[str, Axis]) -> tuple[Animation | None, list[str]]:
    """How the frames of the output follow each other, and a warning of what is not as it was."""
    if "t" not in axes:
        return None, []
    axis = axes["t"].in_unit("s")
    if animation is not None:
        varied = axis.size != len(animation.durations) and len(set(animation.durations)) > 1
        said = "its frames are shown for different times: now all share the whole time alike"
        return animation.resampled(axis.size), [said] if varied else []
    if axis.spacing is not None and axis.unit == "s":
        return Animation((1000 * axis.spacing,) * axis.size), []
    said = "nothing says how long a frame is shown: each is for a tenth of a second"
    return Animation((_SHOWN_FOR,) * axis.size), [said]


def _spacing(axes: Mapping[str, Axis]) -> tuple[tuple[float, float] | None, str | None]:
    """The distance between samples along x and y in mm; or in no unit, which tells the shape of a pixel."""
    x, y = (axes[name].in_unit("mm") for name in "xy")
    if x.spacing is None or y.spacing is None or x.unit != y.unit or x.unit not in (None, "mm"):
        return None, None
    return (x.spacing, y.spacing), x.unit
