"""The kinds of losses of an output. Each has a stable code, which the JSON lines show."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from .base import Header


class Loss(StrEnum):
    """Kinds of losses. The values are part of the JSON schema and never change."""

    AFFINE = "affine"
    ALPHA = "alpha"
    ANIMATION = "animation"
    AXIS_NAMES = "axis-names"
    COLOUR_SPACE = "colour-space"
    COMMENT = "comment"
    DESCRIPTION = "description"
    DISPLAY_RANGE = "display-range"
    EXIF = "exif"
    EXTENSION = "extension"
    HEADER_FIELD = "header-field"
    ICC_PROFILE = "icc-profile"
    INTENT = "intent"
    LABELS = "labels"
    PALETTE = "palette"
    PYRAMID = "pyramid"
    SCALING = "scaling"
    SLICE_TIMING = "slice-timing"
    SPACING = "spacing"
    TAG = "tag"
    TRAILING_DATA = "trailing-data"
    UNIT = "unit"
    XMP = "xmp"
    OTHER = "other"


class Dropped(str):
    """The description of something that is not kept, or a warning that lists such things.

    Attributes:
        losses: the kinds of what is not kept.
    """

    losses: tuple[Loss, ...]

    def __new__(cls, text: str, *losses: Loss) -> Self:
        """Make it from a text and at least one kind."""
        self = super().__new__(cls, text)
        self.losses = losses
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        """The arguments from which a copy is made in another process."""
        return (str(self), *self.losses)


def named(*items: tuple[Loss, str, object]) -> list[str]:
    """The descriptions, as `Dropped`, of those items whose value is true."""
    return [Dropped(name, loss) for loss, name, value in items if value]


def losses_of(items: Iterable[str]) -> list[str]:
    """The codes of all losses that texts are about, sorted, each once."""
    return sorted({loss.value for item in items if isinstance(item, Dropped) for loss in item.losses})


def dropped_warning(header: Header, target: str, *more: str) -> list[str]:
    """The warning of a sink whose family differs from the input's, listing what the file cannot hold.

    Args:
        header: of the output.
        target: the name of the kind of file.
        more: further lost items, such as ``the ICC profile`` or ``the spacing``.
    """
    items = [*more, *header.foreign_items]
    if header.scaling is not None:
        slope, intercept = header.scaling
        remedy = "; --dtype float32 writes the values that they mean" if header.dtype.kind in "iu" else ""
        scaling = f"the scaling of its numbers (slope {slope:g}, intercept {intercept:g}{remedy})"
        items.append(Dropped(scaling, Loss.SCALING))
    if not items:
        return []
    losses = [loss for item in items for loss in (item.losses if isinstance(item, Dropped) else [Loss.OTHER])]
    return [Dropped(f"{target} cannot hold these, which are dropped: {'; '.join(items)}", *losses)]


def dropped_entries(names: Iterable[str]) -> list[str]:
    """The warning about metadata entries of these names that are dropped; empty without names."""
    listed = ", ".join(names)
    return [Dropped(f"these metadata entries are dropped: {listed}", Loss.HEADER_FIELD)] if listed else []
