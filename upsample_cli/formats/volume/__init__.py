"""Medical volumes: NIfTI-1 and -2, Analyze with SPM's additions, and FreeSurfer's MGH.

All of them store x fastest, so arrays have shape (…, t, z, y, x), as stored in the file.
Stored numbers are neither scaled nor converted; slope and intercept stay in the header, which avoids rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from .. import parts
from ..base import Header, ReadOptions, WriteOptions, single_header
from . import analyze, mgh, nifti, nifti_header
from .block import VolumeSource, read_start
from .sink import VolumeSink, is_pair

_MGH = (".mgh", ".mgz")


def open_source(path: Path, options: ReadOptions) -> VolumeSource:
    """Open a volume for reading.

    Raises:
        InputError: the file is damaged or its format is not supported.
    """
    with np.errstate(invalid="ignore"):  # NaN positions are rejected with a message
        source = _opened(path)
    if options.axes is not None:
        source.warnings.append("--axes is ignored: volumes name their axes")
    return source


def make_sink(path: Path, headers: Sequence[Header], options: WriteOptions) -> VolumeSink:
    """Prepare to write a volume, whose kind follows from the suffix: a pair from Analyze stays Analyze.

    Raises:
        OutputError: such a file cannot hold it.
    """
    header = single_header(headers, path)
    if path.name.lower().endswith(_MGH):
        volume = mgh.encode(header, path)
    elif is_pair(path) and isinstance(header.metadata, analyze.Metadata):
        volume = analyze.encode(header, path)
    else:
        volume = nifti_header.encode(header, path, is_pair(path))
    return VolumeSink(path, header, volume, options)


def _opened(path: Path) -> VolumeSource:
    if path.name.lower().endswith(_MGH):
        return mgh.open_source(path)
    samples, header = (parts(path)[0], parts(path)[-1])
    start = read_start(header, path)
    if nifti.recognizes(start):
        return nifti.open_source(path, samples, header)
    if is_pair(path) and analyze.recognizes(start):
        return analyze.open_source(path, samples, header)
    raise InputError("is not a readable NIfTI file: it does not begin like one", path)
