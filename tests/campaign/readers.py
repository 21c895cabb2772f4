"""Checks that other libraries can read all samples and metadata of an output."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image, ImageCms

Image.MAX_IMAGE_PIXELS = None


def refusal(path: Path) -> str:
    """The error of the reader that refuses the file at `path`; empty if it can read it."""
    name = path.name
    reader = _picture
    if name.endswith((".nii", ".nii.gz", ".hdr", ".img", ".mgh", ".mgz")):
        reader = _volume
    elif name.endswith((".tif", ".tiff", ".btf")):
        reader = _tiff
    elif name.endswith(".npy"):
        reader = _array
    elif name.endswith(".zarr"):
        reader = _store
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader(path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _picture(path: Path) -> None:
    if path.suffix in (".jxl", ".pam", ".rgbe", ".exr") or path.read_bytes()[:2] == b"PF":
        return  # Pillow cannot read these, or reads them without colour
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
        image.getexif().get_ifd(0x8769)
        if profile := image.info.get("icc_profile"):
            ImageCms.ImageCmsProfile(ImageCms.core.profile_frombytes(profile))


def _tiff(path: Path) -> None:
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series, "no images"
        for series in tiff.series:
            series.asarray()
        for page in tiff.pages:
            for tag in page.aspage().tags:
                _ = tag.value
        if tiff.is_ome:
            tifffile.xml2dict(tiff.ome_metadata)


def _volume(path: Path) -> None:
    image = nib.load(path)
    np.asanyarray(image.dataobj)
    assert np.isfinite(image.affine).all(), "its affine is not finite"


def _array(path: Path) -> None:
    np.load(path, allow_pickle=False)


def _store(path: Path) -> None:
    import zarr

    node = zarr.open(str(path), mode="r")
    arrays = [node] if isinstance(node, zarr.Array) else [item for _, item in node.members(None)]
    for array in arrays:
        if isinstance(array, zarr.Array):
            np.asarray(array[...])
