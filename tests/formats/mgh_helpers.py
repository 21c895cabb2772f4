"""Read MGH and MGZ files with nibabel."""

import gzip

import nibabel as nib


def decompressed(path):
    """The bytes of the file, decompressed if it is an MGZ file."""
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".mgz" else data


def load_mgh(path):
    """The image as nibabel reads it, from bytes: nibabel leaves files open that it opens itself."""
    return nib.MGHImage.from_bytes(decompressed(path))
