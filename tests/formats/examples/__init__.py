"""Files of every family, each written by the family's own reference library: a table of frozen records."""

from pathlib import Path

from tests.formats.examples import image, nifti, npy, tiff
from tests.formats.examples.record import Example, samples

EXAMPLES: tuple[Example, ...] = (*image.EXAMPLES, *tiff.EXAMPLES, *nifti.EXAMPLES, *npy.EXAMPLES)

BY_ID = {example.id: example for example in EXAMPLES}


def made(folder: Path, name: str) -> Path:
    """The file of the example called `name`, in `folder`."""
    path = folder / f"in{BY_ID[name].suffix}"
    BY_ID[name].make(path)
    return path


__all__ = ["BY_ID", "EXAMPLES", "Example", "made", "samples"]
