"""NIfTI volumes by nibabel: ``.nii``, ``.nii.gz``, NIfTI-2, pairs of ``.hdr`` and ``.img``.

The array is presented slowest axis first, (…, t, z, y, x): the order in which the file stores it, seen from C.
Stored numbers are neither scaled nor converted: slope and intercept stay in the header, so that nothing drifts.
"""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ..errors import InputError, OutputError
from ..geometry import Affine, Axis, Grid
from .base import Array, Header, ReadOptions, Source, WriteOptions, merged, only

logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # it speaks of headers that our messages name

_NAMES = "xyztuvw"
_LENGTH_UNITS = {"mm": "mm", "micron": "µm", "meter": "m"}
_TIME_UNITS = {"sec": "s", "msec": "ms", "usec": "µs"}
_NIFTI: Any = (nib.Nifti1Image, nib.Nifti1Pair, nib.Nifti2Image, nib.Nifti2Pair)
_READ_ERRORS = (
    OSError,
    ImportError,
    EOFError,
    ValueError,
    zlib.error,
    ImageFileError,
    HeaderDataError,
    WrapStructError,
)
_COMPRESSED = (".gz", ".bz2", ".zst")
_GZIP_LEVEL = 1  # the samples of a resized volume are smooth; higher levels cost time and gain little


@dataclass(frozen=True, slots=True)
class Metadata:
    """The raw header of the input, extensions included."""

    header: Any


class NiftiSource:
    """A NIfTI file, mapped into memory where it is not compressed; see `Source`."""

    others: Sequence[Source] = ()

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._path = path
        try:
            image = _load(path)
            if not isinstance(image, _NIFTI):
                raise InputError(f"is a {type(image).__name__}, not NIfTI, which is not supported", path)
            raw = _raw_header(image)
            self._samples = Path(str(image.file_map["image"].filename))
            stored = self._samples.stat().st_size
        except _READ_ERRORS as error:
            raise InputError(f"is not a readable NIfTI file: {error}", path) from error
        self._dtype: np.dtype[Any] = image.get_data_dtype()
        self._shape, self._offset = image.shape, int(image.dataobj.offset)
        if self._dtype.kind not in "iufc":
            raise InputError(f"holds samples of type {self._dtype}, which are not supported; numbers are", path)
        if not self._shape or min(self._shape) < 1:
            raise InputError(f"has the impossible size {'×'.join(map(str, self._shape))}", path)
        self.header = Header(_grid(raw, self._shape), self._dtype, scaling=_scaling(raw), metadata=Metadata(raw))
        self.warnings: list[str] = []
        if options.axes is not None:
            self.warnings.append("--axes is ignored: NIfTI files name their axes")
        self.copies = 1.0 if self._samples.suffix.lower() in _COMPRESSED else 0.0
        if not self.copies:
            self._refuse_truncated(stored)
        self._array: Array | None = None

    def _refuse_truncated(self, found: int) -> None:
        promised = self._offset + int(np.prod(self._shape, dtype=object)) * self._dtype.itemsize
        if found < promised:
            raise InputError(f"is truncated: {found:,} bytes where its header promises {promised:,}", self._path)

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        if self._array is None:
            self._array = self._decompress() if self.copies else self._map()
        return merged(self._array, axis)[start:stop]

    def _map(self) -> Array:
        return np.memmap(self._samples, self._dtype, "r", self._offset, self._shape[::-1])

    def _decompress(self) -> Array:
        """All samples, read to the end of the file, where its checksum is."""
        try:
            with nib.openers.ImageOpener(str(self._samples.absolute()), "rb") as file:
                data = file.read()
        except _READ_ERRORS as error:
            raise InputError(f"cannot be read to its end: {error}", self._path) from error
        self._refuse_truncated(len(data))
        return np.ndarray(self._shape[::-1], self._dtype, data, self._offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._array = None


class NiftiSink:
    """A NIfTI file; see `Sink`. A pair is written header last, since it is by the header that others find it."""

    pyramids = False
    copies = 0.0

    def __init__(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> None:
        header = only(headers, path)
        self._path = path
        self._header = header
        self.warnings: list[str] = []
        name = path.name.lower()
        self._pair = name.endswith((".hdr", ".img"))
        self.compresses = name.endswith(".gz")
        self._raw = self._updated(header)

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Write the volume; see `Sink`."""
        (slabs,) = arrays
        if self._pair:
            with paths[1].open("wb") as header:
                self._raw.write_to(header)
        with paths[0].open("wb") as plain:
            # No name and no time in the gzip header: the same input gives the same bytes.
            file: Any = gzip.GzipFile("", "wb", _GZIP_LEVEL, plain, mtime=0) if self.compresses else plain
            if not self._pair:
                self._raw.write_to(file)
                file.write(b"\0" * (int(self._raw["vox_offset"]) - file.tell()))
            for slab in slabs:
                file.write(np.ascontiguousarray(slab).data)
            if file is not plain:
                file.close()

    def _updated(self, header: Header) -> Any:
        grid = header.grid
        if isinstance(header.metadata, Metadata):
            raw = _of_kind(header.metadata.header, self._pair)
        else:
            raw = _new_header(header, self._pair, self._path)
            self.warnings += ["only the grid is carried over to NIfTI"] if header.metadata is not None else []
        shape, spacing = grid.shape[::-1], raw["pixdim"].copy()
        try:
            raw.set_data_shape(shape)
            raw["pixdim"] = spacing  # the frames need that of axes that a picture does not have
        except HeaderDataError as error:
            raise OutputError(
                f"NIfTI-1 holds no more than 32,767 samples along an axis, not {'×'.join(map(str, shape))}; "
                "write .npy or .tif",
                self._path,
            ) from error
        for number, axis in enumerate(reversed(grid.axes)):
            if axis.spacing is not None:
                raw["pixdim"][1 + number] = axis.spacing
        if "t" in grid.names:
            raw["toffset"] = grid["t"].origin
        for frame, affine in grid.affines.items():
            _set_affine(raw, frame, affine)
        if raw["slice_code"] and isinstance(header.metadata, Metadata):
            slices = header.metadata.header.get_dim_info()[2]
            slices = 2 if slices is None else slices
            if header.metadata.header.get_data_shape()[slices] != shape[slices]:
                for name in ("slice_start", "slice_end", "slice_duration", "slice_code"):
                    raw[name] = 0
                self.warnings.append("the times of slices are dropped: the slices are others now")
        raw["vox_offset"] = 0
        return raw


def _load(path: Path) -> Any:  # untyped, as are most methods of what it returns
    return nib.load(path.absolute())  # of a relative path it expands ~


def _raw_header(image: Any) -> Any:
    """The header as it is stored: nibabel's image forgets slope and intercept."""
    holder = image.file_map.get("header", image.file_map["image"])
    with holder.get_prepare_fileobj("rb") as file:
        return image.header_class.from_fileobj(file)


def _scaling(raw: Any) -> tuple[float, float] | None:
    slope, intercept = float(raw["scl_slope"]), float(raw["scl_inter"])
    means_nothing = slope in (0, 1) and intercept == 0
    return None if means_nothing or not np.isfinite([slope, intercept]).all() or slope == 0 else (slope, intercept)


def _grid(raw: Any, shape: tuple[int, ...]) -> Grid:
    length_unit, time_unit = raw.get_xyzt_units()
    axes = []
    for number, size in enumerate(shape):
        name = _NAMES[number]
        spacing = abs(float(raw["pixdim"][1 + number]))
        unit = _LENGTH_UNITS.get(length_unit) if number < 3 else _TIME_UNITS.get(time_unit) if number == 3 else None
        origin = float(raw["toffset"]) if name == "t" else 0.0
        axes.append(Axis(name, size, spacing if np.isfinite(spacing) and spacing > 0 else None, unit, origin))
    affines: dict[str, Affine] = {}
    if raw["sform_code"] > 0:
        affines["sform"] = raw.get_sform()
    if raw["qform_code"] > 0:
        affines["qform"] = raw.get_qform()
    return Grid(tuple(reversed(axes)), affines)


def _set_affine(raw: Any, frame: str, affine: Affine) -> None:
    if frame == "sform":
        for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
            raw[name] = affine[row]
    elif frame == "qform":  # samples move along the axes alone, so the rotation stays as it is, to the bit
        for row, name in enumerate(("qoffset_x", "qoffset_y", "qoffset_z")):
            raw[name] = affine[row, 3]


def _of_kind(header: Any, pair: bool) -> Any:
    """A copy of the header for a single file or a pair of files, every other field and the extensions as they are."""
    second = isinstance(header, nib.Nifti2Header)
    classes = (
        (nib.nifti2.Nifti2PairHeader, nib.Nifti2Header) if second else (nib.nifti1.Nifti1PairHeader, nib.Nifti1Header)
    )
    kind: Any = classes[0 if pair else 1]
    fields = header.structarr.copy()
    fields["magic"] = kind.pair_magic if pair else kind.single_magic
    return kind(fields.tobytes(), header.endianness, check=False, extensions=list(header.extensions))


def _new_header(header: Header, pair: bool, path: Path) -> Any:
    raw: Any = cast(Any, nib.nifti1.Nifti1PairHeader if pair else nib.Nifti1Header)()
    names = tuple(reversed(header.grid.names))
    if names != tuple(_NAMES[: len(names)]):
        raise OutputError(
            f"NIfTI has the axes x, y, z, t in this order, not {''.join(names)}; write .tif or .npy", path
        )
    try:
        raw.set_data_dtype(header.dtype.newbyteorder("="))
    except HeaderDataError as error:
        raise OutputError(f"NIfTI cannot hold samples of type {header.dtype}; write .npy", path) from error
    units = {unit: name for name, unit in (_LENGTH_UNITS | _TIME_UNITS).items()}
    of_axis = {axis.name: units.get(axis.unit or "") for axis in header.grid.axes}
    raw.set_xyzt_units(of_axis.get("x"), of_axis.get("t"))
    spacing = [axis.spacing or 1.0 for axis in reversed(header.grid.axes)]
    affine = np.diag([*[*spacing, 1.0, 1.0][:3], 1.0])
    raw.set_data_shape((1,) * len(names))
    raw.set_sform(affine, code="aligned")
    return raw


open_source, make_sink = NiftiSource, NiftiSink
