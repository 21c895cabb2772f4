"""Files of every family, each written by the family's own reference library: a table of frozen records."""

from tests.formats.examples import image, nifti, npy, tiff
from tests.formats.examples.record import Example, samples

EXAMPLES: tuple[Example, ...] = (*image.EXAMPLES, *tiff.EXAMPLES, *nifti.EXAMPLES, *npy.EXAMPLES)

__all__ = ["EXAMPLES", "Example", "samples"]
