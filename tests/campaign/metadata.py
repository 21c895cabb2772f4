"""Names and contents of metadata, most of them wrong, for chunks, segments and tags."""

from __future__ import annotations

import struct
import zlib

from tests.campaign.seeds import XMP, profile

PNG_CHUNKS = (
    *(b"gAMA", b"cHRM", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD", b"hIST", b"tRNS", b"pHYs", b"sPLT"),
    *(b"tIME", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"fdAT", b"oFFs", b"pCAL", b"sCAL", b"gIFg", b"gIFx"),
    *(b"sTER", b"dSIG", b"caBX", b"IDAT", b"PLTE", b"IHDR", b"IEND", b"CgBI", b"vpAg", b"abcd", b"ABCD", b"ab\x1bd", b"\0\0\0\0"),
)

TIFF_TAGS = (
    *(254, 255, 256, 257, 258, 259, 262, 266, 269, 270, 271, 272, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 285),
    *(286, 287, 288, 290, 291, 292, 293, 296, 297, 301, 305, 306, 315, 316, 317, 318, 319, 320, 321, 322, 323, 324, 325),
    *(330, 332, 333, 336, 337, 338, 339, 340, 341, 342, 343, 347, 512, 513, 514, 529, 530, 531, 532, 700, 32781, 32995),
    *(32996, 32997, 32998, 33421, 33422, 33432, 33550, 33628, 33723, 33922, 34016, 34118, 34264, 34377, 34412, 34665),
    *(34675, 34735, 34736, 34737, 34853, 37724, 40965, 42112, 42113, 50706, 50838, 50839, 51023, 65000, 65200, 65420),
)

_BOMB = zlib.compress(bytes(1 << 22), 9)
_EXIF_LOOP = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 34665, 4, 1, 8, 8)

CONTENTS = (
    b"",
    b"\0",
    b"\x1b[31m\x07\r\n\x9b",
    b"Comment\0\0" + _BOMB,
    b"key\0\0" + b"not deflated",
    b"key\0\1" + zlib.compress(b"another method"),
    b"no separator" * 9,
    b"XML:com.adobe.xmp\0\0\0\0\0" + XMP,
    b"XML:com.adobe.xmp\0\1\0\0\0" + _BOMB,
    b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n  8\n49492a0008\n"),
    b"Raw profile type icc\0\0" + zlib.compress(b"\nicc\n 4\nzz\n"),
    b"profile\0\0" + zlib.compress(profile()[:200]),
    b"profile\0\0" + zlib.compress(b"no profile"),
    b"profile\0\0" + _BOMB,
    b"\0\0" + zlib.compress(profile()),
    b"ICC_PROFILE\0\1\1" + profile(),
    b"ICC_PROFILE\0\1\2" + profile()[:100],
    b"ICC_PROFILE\0\0\0",
    b"ICC_PROFILE\0\x09\x02" + profile(),
    b"Exif\0\0" + _EXIF_LOOP,
    b"Exif\0\0II*\0\xff\xff\xff\xff",
    b"Exif\0\0",
    _EXIF_LOOP,
    b"http://ns.adobe.com/xap/1.0/\0" + XMP,
    b"http://ns.adobe.com/xap/1.0/\0<x" + b" " * 9000,
    b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 2**32 - 1, 5) + b"part",
    b"MPF\0II*\0\x08\0\0\0\xff\xff",
    b"Photoshop 3.0\x008BIM\x03\xed\0\0\xff\xff\xff\xff",
    b"JFIF\0\1\2\1\0\0\0\0",
    b"JFIF\0\1\2\1\xff\xff\xff\xff\xff\xff",
    b"Adobe\0d\0\0\0\0\x02",
    XMP,
    profile(),
    profile()[:130],
    profile()[:100] + b"\xff" * 60,
    struct.pack(">I", 0),
    struct.pack(">I", 2**32 - 1),
    b"\xff" * 32,
    bytes(32),
    b"\x01\x0d\x00\x01",
    b"\xff\xff\x00\x01",
    b"\x04",
    b"\x01-1.0\x00nan",
    b"\x01" + b"9" * 400 + b"\x00" + b"1",
)
