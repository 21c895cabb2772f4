"""Pictures and animations: PNG, JPEG, WebP and GIF with all that they say, and whatever else Pillow knows."""

from .sink import PictureSink
from .source import PictureSource

open_source, make_sink = PictureSource, PictureSink
