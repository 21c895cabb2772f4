"""The files in ``sample_data/``, with their sizes and spacing."""

from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "sample_data"

# The axes x, y, z that each sample has, with their spacing where it has one (mm, µm).
PICTURES = {
    "cat.jpg": ((451, 300), 25.4 / 72),
    "cat_rotated.jpg": ((160, 106), 25.4 / 72),
    "icon.png": ((64, 64), None),
    "palette.png": ((64, 48), None),
    "bilevel.png": ((64, 48), None),
    "depth16.png": ((128, 96), 25.4 / 300),
}
STACKS = {
    "stack_imagej.tif": ((64, 48, 6), (0.2, 0.2, 0.5)),
    "stack_ome.ome.tif": ((56, 40, 8), (0.25, 0.25, 1.0)),
    "stack_plain.tif": ((50, 40, 5), None),
}
VOLUMES = {
    "brain.nii.gz": ((48, 56, 32), (3.5, 3.5, 5.5)),
    "labels.nii.gz": ((48, 56, 32), (3.5, 3.5, 5.5)),
    "fmri.nii": ((20, 24, 14), (8.0, 8.0, 12.0)),
}
