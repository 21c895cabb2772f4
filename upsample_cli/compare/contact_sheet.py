"""Pictures side by side, each with a title below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_GAP, _MARGIN = 16, 20
_TITLE, _SMALL = 20, 14  # sizes of letters
_CAPTION, _HEADING = 68, 64  # heights of what is below a panel, and above all
_PAGE, _INK, _SOFT, _LINE = "#ffffff", "#1b2130", "#566074", "#dce0e8"
_LIGHT, _DARK = "#f4f5f8", "#d5d9e2"  # of the squares behind what is transparent
_SQUARE = 8
_MOST_IN_A_ROW = 3


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet.

    Attributes:
        title, note: what stands below it.
        image: the picture.
    """

    title: str
    note: str
    image: Image.Image


def contact_sheet(heading: str, note: str, panels: Sequence[Panel]) -> Image.Image:
    """A page with a heading, a note below it, and the panels in rows."""
    columns = 2 if len(panels) == 4 else min(len(panels), _MOST_IN_A_ROW)
    rows = -(-len(panels) // columns)
    title, small = ImageFont.load_default(_TITLE), ImageFont.load_default(_SMALL)
    texts = [(heading, title), (note, small)]
    widths = [int(font.getlength(_plain(text))) for text, font in texts]
    width = max(max(panel.image.width for panel in panels), *(-(-size // columns) for size in widths))
    height = max(panel.image.height for panel in panels)
    size = (2 * _MARGIN + columns * (width + _GAP) - _GAP, _MARGIN + _HEADING + rows * (height + _CAPTION))
    page = Image.new("RGB", size, _PAGE)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN), _plain(heading), _INK, title)
    draw.text((_MARGIN, _MARGIN + 30), _plain(note), _SOFT, small)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        x, y = _MARGIN + column * (width + _GAP), _MARGIN + _HEADING + row * (height + _CAPTION)
        page.paste(_opaque(panel.image), (x, y))
        draw.rectangle((x - 1, y - 1, x + panel.image.width, y + panel.image.height), outline=_LINE)
        draw.text((x, y + panel.image.height + 6), _plain(panel.title), _INK, title)
        draw.text((x, y + panel.image.height + 32), _plain(panel.note), _SOFT, small)
    return page


def _opaque(image: Image.Image) -> Image.Image:
    """The picture over squares, where it is transparent."""
    if image.mode != "RGBA":
        return image
    board = Image.new("RGB", image.size, _LIGHT)
    draw = ImageDraw.Draw(board)
    for y in range(0, image.height, _SQUARE):
        for x in range(y // _SQUARE % 2 * _SQUARE, image.width, 2 * _SQUARE):
            draw.rectangle((x, y, x + _SQUARE - 1, y + _SQUARE - 1), _DARK)
    board.paste(image, mask=image.getchannel("A"))
    return board


def _plain(text: str) -> str:
    """The text in the letters that Pillow's own font has."""
    return text.encode("ascii", "backslashreplace").decode()
