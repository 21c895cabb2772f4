"""Pictures and animations: PNG, JPEG, WebP and GIF with all their metadata, and every other format of Pillow."""

from .sink import PictureSink
from .source import PictureSource

open_source, make_sink = PictureSource, PictureSink
