"""The document of a plain Zarr array of format 2, from which tests make others."""

from __future__ import annotations

from typing import Any

OLD_ARRAY: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [4, 6],
    "chunks": [4, 6],
    "dtype": "|u1",
    "fill_value": 0,
    "order": "C",
    "compressor": None,
    "filters": None,
}
