"""Draws images side by side, each with a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_GAP, _MARGIN = 16, 20
_TITLE_SIZE, _NOTE_SIZE = 20, 14  # font sizes
_CAPTION_HEIGHT, _HEADING_HEIGHT = 68, 64  # heights in pixels, below a panel and at the top
_PAGE_COLOUR, _TEXT_COLOUR, _NOTE_COLOUR, _BORDER_COLOUR = "#ffffff", "#1b2130", "#566074", "#dce0e8"
_LIGHT, _DARK = "#f4f5f8", "#d5d9e2"  # checkerboard behind transparent pixels
_SQUARE_SIDE = 8
_MAX_COLUMNS = 3


@dataclass(frozen=True)
class Panel:
    """One image of a sheet.

    Attributes:
        title, note: the lines of its caption.
        image: the image.
    """

    title: str
    note: str
    image: Image.Image


def contact_sheet(heading: str, note: str, panels: Sequence[Panel]) -> Image.Image:
    """Draw a page with a heading, a note below it, and the panels in rows."""
    columns = 2 if len(panels) == 4 else min(len(panels), _MAX_COLUMNS)
    rows = -(-len(panels) // columns)
    title, small = ImageFont.load_default(_TITLE_SIZE), ImageFont.load_default(_NOTE_SIZE)
    texts = [(heading, title), (note, small)]
    widths = [int(font.getlength(_ascii(text))) for text, font in texts]
    width = max(max(panel.image.width for panel in panels), *(-(-size // columns) for size in widths))
    height = max(panel.image.height for panel in panels)
    size = (
        2 * _MARGIN + columns * (width + _GAP) - _GAP,
        _MARGIN + _HEADING_HEIGHT + rows * (height + _CAPTION_HEIGHT),
    )
    page = Image.new("RGB", size, _PAGE_COLOUR)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN), _ascii(heading), _TEXT_COLOUR, title)
    draw.text((_MARGIN, _MARGIN + 30), _ascii(note), _NOTE_COLOUR, small)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        x, y = _MARGIN + column * (width + _GAP), _MARGIN + _HEADING_HEIGHT + row * (height + _CAPTION_HEIGHT)
        page.paste(_over_checkerboard(panel.image), (x, y))
        draw.rectangle((x - 1, y - 1, x + panel.image.width, y + panel.image.height), outline=_BORDER_COLOUR)
        draw.text((x, y + panel.image.height + 6), _ascii(panel.title), _TEXT_COLOUR, title)
        draw.text((x, y + panel.image.height + 32), _ascii(panel.note), _NOTE_COLOUR, small)
    return page


def _over_checkerboard(image: Image.Image) -> Image.Image:
    """The image on a checkerboard if it has transparency."""
    if image.mode != "RGBA":
        return image
    board = Image.new("RGB", image.size, _LIGHT)
    draw = ImageDraw.Draw(board)
    for y in range(0, image.height, _SQUARE_SIDE):
        for x in range(y // _SQUARE_SIDE % 2 * _SQUARE_SIDE, image.width, 2 * _SQUARE_SIDE):
            draw.rectangle((x, y, x + _SQUARE_SIDE - 1, y + _SQUARE_SIDE - 1), _DARK)
    board.paste(image, mask=image.getchannel("A"))
    return board


def _ascii(text: str) -> str:
    """The text with characters that Pillow's built-in font lacks as escape sequences."""
    return text.encode("ascii", "backslashreplace").decode()
