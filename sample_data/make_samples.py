"""Make the sample files beside this script: `python sample_data/make_samples.py`.

Every file but the photograph is computed from formulas and seeded noise, so two runs with the same library versions
give the same bytes. `cat.jpg` is kept as it is, and only read; with the path of the original photograph as its argument
(scikit-image's `chelsea.png`) the script makes `cat.jpg` anew as well.
"""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

Array = np.ndarray[Any, np.dtype[Any]]

HERE = Path(__file__).resolve().parent
SOFTWARE = "upsample make_samples.py"
CREDIT = "Chelsea the cat"
PHOTOGRAPHER = "Stefan van der Walt"


# Arithmetic shared by the pictures


def centred_grid(shape: Sequence[int], spacing: Sequence[float]) -> tuple[Array, ...]:
    """Coordinates of the samples, one broadcastable array per axis, with the origin in the middle of the grid."""
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)]
    return np.meshgrid(*axes, indexing="ij", sparse=True)


def coverage(distance: Array, softness: float = 1.0) -> Array:
    """How much of a sample lies inside a shape, from the signed distance to its edge (negative is inside)."""
    t = np.clip(0.5 - distance / softness, 0, 1)
    return t * t * (3 - 2 * t)


def ellipsoid(point: Sequence[Array], centre: Sequence[float], radii: Sequence[float]) -> Array:
    """The ellipsoid's implicit radius: below 1 inside, 1 on the surface."""
    return np.sqrt(sum(((p - c) / r) ** 2 for p, c, r in zip(point, centre, radii, strict=True)))


def to_integers(values: Array, dtype: type[np.integer[Any]]) -> Array:
    """Round half to even and saturate."""
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


def to_range(values: Array, dtype: type[np.integer[Any]]) -> Array:
    """Stretch the values over the dtype's whole range."""
    stretched = np.interp(values, [values.min(), values.max()], [0, np.iinfo(dtype).max])
    return to_integers(stretched, dtype)


def camera_counts(light: Array, seed: int, offset: float = 100.0) -> Array:
    """What a 16-bit microscope camera makes of light: shot noise, read noise and an offset."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=light.shape) * np.sqrt(light + 16)
    return to_integers(light + noise + offset, np.uint16)


# Photographs


def exif(orientation: int, size: tuple[int, int]) -> Image.Exif:
    """A small EXIF block that describes pixels stored as `size` (width, height)."""
    tags = Image.Exif()
    tags[0x010E] = CREDIT  # ImageDescription
    tags[0x0112] = orientation
    tags[0x011A] = tags[0x011B] = IFDRational(72)  # XResolution, YResolution
    tags[0x0128] = 2  # ResolutionUnit: inch
    tags[0x013B] = PHOTOGRAPHER  # Artist
    tags[0x8298] = "CC0"  # Copyright
    tags.get_ifd(0x8769).update({0xA002: size[0], 0xA003: size[1]})  # PixelXDimension, PixelYDimension
    return tags


def srgb_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = np.array([2026, 1, 1, 0, 0, 0], ">u2").tobytes()  # the profile's date, else the present one
    return bytes(profile)


def save_jpeg(picture: Image.Image, path: Path, profile: bytes, orientation: int) -> None:
    picture.save(
        path, quality=90, dpi=(72, 72), icc_profile=profile, exif=exif(orientation, picture.size), optimize=True
    )


def make_cat(photograph: Path) -> None:
    """The whole photograph as a JPEG, without the camera's own metadata."""
    with Image.open(photograph) as picture:
        save_jpeg(picture.convert("RGB"), HERE / "cat.jpg", srgb_profile(), orientation=1)


def make_cat_rotated() -> None:
    """The cat's eyes as a camera held upright stores them: a viewer turns the pixels 90° clockwise."""
    with Image.open(HERE / "cat.jpg") as picture:
        profile = picture.info["icc_profile"]
        eyes = picture.crop((120, 46, 360, 205)).resize((160, 106), Image.Resampling.LANCZOS)
    save_jpeg(eyes.transpose(Image.Transpose.ROTATE_90), HERE / "cat_rotated.jpg", profile, orientation=6)


# Pictures


def blend(below: Array, colour: Sequence[float], alpha: Array) -> Array:
    """Paint an RGB colour over an RGB picture."""
    return below * (1 - alpha[..., None]) + np.asarray(colour) * alpha[..., None]


def make_icon() -> None:
    """A leaf in a ring on a rounded square with a soft shadow. Where nothing is painted the pixels hold pure green."""
    y, x = centred_grid((64, 64), (1, 1))

    def square(dy: float, half: float, corner: float) -> Array:
        across, down = np.abs(x) - half + corner, np.abs(y - dy) - half + corner
        return np.hypot(np.maximum(across, 0), np.maximum(down, 0)) + np.minimum(np.maximum(across, down), 0) - corner

    body = coverage(square(-1.5, 25, 9), 1.5)
    shadow = 0.45 * coverage(square(1.5, 25, 9), 9)
    along, across = (x - y) / np.sqrt(2), (x + y + 3) / np.sqrt(2)  # the leaf's own axes
    leaf = np.maximum(np.hypot(along, across - 8), np.hypot(along, across + 8)) - 14.5
    vein = np.maximum(np.abs(across) - 0.7, np.abs(along + 2) - 13.5)
    ring = np.abs(np.hypot(x, y + 1.5) - 18.5) - 1.4

    mix = np.clip((y + 27) / 50, 0, 1)[..., None] * np.ones((64, 64, 1))
    paint = (1 - mix) * [46, 196, 182] + mix * [58, 64, 170]
    paint = blend(paint, (255, 255, 255), 0.9 * coverage(ring, 1.2))
    paint = blend(paint, (255, 214, 102), coverage(leaf, 1.2))
    paint = blend(paint, (70, 100, 150), coverage(vein, 1.2))

    alpha = body + shadow * (1 - body)
    rgb = paint * body[..., None] + np.array([20, 20, 40]) * (shadow * (1 - body))[..., None]
    rgba = to_integers(np.dstack([rgb / np.maximum(alpha, 1e-9)[..., None], alpha * 255]), np.uint8)
    rgba[rgba[..., 3] == 0] = (0, 255, 0, 0)
    Image.fromarray(rgba).save(HERE / "icon.png", optimize=True)


def make_palette() -> None:
    """A landscape in eight flat colours: sky, sun, far hills, near hills, lake, glints, a tree's trunk and crown."""
    colours = ["8ecae6", "ffd166", "7b8fb2", "52658c", "2a9d8f", "b8f2e6", "7a4b2a", "2f6b3a"]
    y, x = np.mgrid[:48, :64]
    far = 21 - 9 * np.abs(np.sin(x / 11 + 0.4)) - 2 * np.sin(x / 3.1)
    near = 30 - 6 * np.sin(x / 14 - 0.9) - 1.5 * np.sin(x / 4.3)
    regions = [
        np.hypot(x - 47, y - 9) < 5.5,
        y > far,
        y > near,
        y > 35,
        (y > 36) & (np.abs(x - 46 + 2 * (y % 3)) < 2 + (y - 36) / 1.6) & (y % 3 == 1),
        (np.abs(x - 13) < 1.5) & (y > 28) & (y < 43),
        np.minimum(np.hypot(x - 13, y - 23), np.hypot(x - 9, y - 28)) < 6.5,
    ]
    indices = np.zeros((48, 64), np.uint8)
    for index, region in enumerate(regions, start=1):
        indices[region] = index
    picture = Image.fromarray(indices)
    picture.putpalette(bytes.fromhex("".join(colours)))
    picture.save(HERE / "palette.png", optimize=True)


def make_bilevel() -> None:
    """A star of black and white wedges in a frame: detail that gets finer towards the middle."""
    y, x = centred_grid((48, 64), (1, 1))
    wedges = (np.sin(12 * np.arctan2(y, x)) > 0) & (np.hypot(x, y) < 21)
    frame = np.maximum(np.abs(x) - 29, np.abs(y) - 21) > 0.6
    border = np.maximum(np.abs(x) - 31, np.abs(y) - 23) > 0
    ink = wedges | (frame & ~border)
    Image.fromarray(np.where(ink, 0, 255).astype(np.uint8)).convert("1", dither=Image.Dither.NONE).save(
        HERE / "bilevel.png", optimize=True
    )


def make_depth() -> None:
    """Nearness as a depth camera sees it: three balls on rolling ground, black far away, white close by."""
    y, x = centred_grid((96, 128), (1 / 64, 1 / 64))
    scene = 0.22 + 0.3 * (y + 0.75) ** 1.5 + 0.03 * np.sin(5 * x + 3 * y) * (y + 0.75) + 0.05 * np.cos(2.2 * x)
    for across, down, radius, near in [(-0.42, 0.02, 0.34, 0.62), (0.38, -0.2, 0.22, 0.34), (0.3, 0.38, 0.2, 0.85)]:
        inside = radius**2 - (x - across) ** 2 - (y - down) ** 2
        scene = np.where(inside > 0, np.maximum(scene, near + 0.8 * np.sqrt(np.maximum(inside, 0))), scene)
    text = PngInfo()
    text.add_text("Title", "Synthetic depth map")
    Image.fromarray(to_range(scene, np.uint16)).save(HERE / "depth16.png", dpi=(300, 300), pnginfo=text, optimize=True)


# TIFF stacks


def make_imagej_stack() -> None:
    """Yeast cells, two time points: their walls in channel 0, their nuclei in channel 1."""
    z, y, x = centred_grid((6, 48, 64), (0.5, 0.2, 0.2))
    cells = [(0.1, -1.2, -3.2, 1.9), (-0.4, 1.9, -0.4, 1.6), (0.3, -1.6, 3.0, 2.2), (0.0, 2.6, 4.0, 1.1)]
    light = np.zeros((2, 6, 2, 48, 64))
    for t in range(2):
        for number, (cz, cy, cx, radius) in enumerate(cells):
            drift = 0.4 * t * np.array([np.cos(2.0 * number), np.sin(2.0 * number)])
            r = ellipsoid((z, y, x), (cz, cy + drift[0], cx + drift[1]), (1, 1, 1)) - radius * (1 + 0.06 * t)
            light[t, :, 0] += 900 * np.exp(-((r / 0.22) ** 2)) + 120 * coverage(r, 0.4)
            nucleus = (cz + 0.1, cy + 1.4 * drift[0] + 0.3, cx + 1.4 * drift[1] - 0.2)
            light[t, :, 1] += 1500 * np.exp(-((ellipsoid((z, y, x), nucleus, (1.1, 0.6, 0.6))) ** 2))
    ramp = np.arange(256, dtype=np.uint8)
    zero = np.zeros_like(ramp)
    tifffile.imwrite(
        HERE / "stack_imagej.tif",
        camera_counts(light + 30, seed=1),
        imagej=True,
        byteorder=">",  # as ImageJ itself writes them
        resolution=(5, 5),
        software=SOFTWARE,
        metadata={
            "axes": "TZCYX",
            "spacing": 0.5,
            "unit": "um",
            "finterval": 30.0,
            "mode": "composite",
            "Ranges": (100.0, 1300.0, 100.0, 1800.0),
            "LUTs": [np.stack([ramp, zero, ramp]), np.stack([zero, ramp, zero])],
        },
    )


def make_ome_stack() -> None:
    """One cell: the nucleus with its nucleoli in channel 0, fibres around it in channel 1."""
    z, y, x = centred_grid((8, 40, 56), (1.0, 0.25, 0.25))
    nucleus = ellipsoid((z, y, x), (0, 0.3, -0.5), (2.6, 2.5, 3.4))
    texture = 1 + 0.2 * np.sin(2.1 * x + 1.3 * np.sin(1.7 * y + z)) * np.cos(1.9 * y - 0.8 * x)
    dna = 1400 * texture * coverage((nucleus - 1) * 2.5, 0.9)
    for centre in [(0.5, 0.9, 0.6), (-0.8, -0.4, -1.8)]:
        dna = dna * (1 - 0.75 * np.exp(-(ellipsoid((z, y, x), centre, (1.0, 0.6, 0.6)) ** 2)))

    fibres = np.zeros((8, 40, 56))
    for number in range(9):
        height = 4.4 * np.sin(1.9 * number + 0.5) + 0.5 * np.sin(0.9 * x + number)
        depth = 2.4 * np.cos(2.6 * number) + 0.5 * np.cos(0.5 * x + 2 * number)
        fibres += 1100 * np.exp(-(((y - height) / 0.28) ** 2) - ((z - depth) / 0.9) ** 2)
    fibres *= coverage(nucleus * -2 + 1.8, 1.0) * coverage(ellipsoid((z, y, x), (0, 0, 0), (4, 5.6, 7.2)) - 0.9, 0.4)

    tifffile.imwrite(
        HERE / "stack_ome.ome.tif",
        camera_counts(np.stack([dna, fibres]) + 20, seed=2),
        ome=True,
        photometric="minisblack",
        compression="zlib",
        predictor=True,
        resolution=(40000, 40000),  # per centimetre: 0.25 µm
        resolutionunit="CENTIMETER",
        software=SOFTWARE,
        metadata={
            "axes": "CZYX",
            "UUID": "c1f0b2a4-6d3e-4f58-9a77-0a5d2f6e8b10",
            "Creator": SOFTWARE,
            "Name": "Synthetic cell",
            "PhysicalSizeX": 0.25,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.25,
            "PhysicalSizeYUnit": "µm",
            "PhysicalSizeZ": 1.0,
            "PhysicalSizeZUnit": "µm",
            "Channel": {"Name": ["DNA", "Tubulin"]},
        },
    )


def make_plain_stack() -> None:
    """Sections of a lobed pollen grain, from its top to its middle, in a file that says nothing but its pages."""
    z, y, x = centred_grid((5, 40, 50), (3, 1, 1))
    angle = np.arctan2(y, x)
    lobes = 1 + 0.1 * np.cos(6 * angle + 0.15 * z)
    r = np.sqrt((np.hypot(x, y) / lobes) ** 2 + (z - 6) ** 2)
    wall = np.exp(-(((r - 15.5) / 1.6) ** 2))
    inside = coverage(r - 15, 3) * (0.3 + 0.1 * np.sin(0.5 * r + 3 * np.sin(0.15 * y)) * np.sin(0.3 * x + 0.5 * z))
    tifffile.imwrite(
        HERE / "stack_plain.tif",
        to_integers(18 + 225 * np.clip(wall + inside, 0, 1), np.uint8),
        photometric="minisblack",
        compression="lzw",
        predictor=True,
        software=SOFTWARE,
        metadata=None,
    )


# NIfTI volumes: a head, given in millimetres from its middle, x to its right, y to its front, z up

LABELS = {"white matter": 2, "grey matter": 9, "cerebrospinal fluid": 24, "skull": 60, "scalp": 165}
WHITE, GREY, FLUID, SKULL, SCALP = LABELS.values()
HEAD_CENTRE = (2.5, -14.0, 21.0)  # where the head's middle lies in the scanner, in mm


def cerebrum(x: Array, y: Array, z: Array) -> Array:
    """Labels of the inside of the brain's surface: grey ribbons on both sides of folds that hold fluid."""
    side = np.abs(x)
    depth = 68 * (1 - ellipsoid((x, y, z), (0, 0, 0), (60, 78, 68)))
    # The folds are where a gyroid, bent a little to look grown, is zero.
    u = 0.165 * (side + 5 * np.sin(y / 15) + 0.06 * x + 7)
    v = 0.150 * (y + 6 * np.sin(z / 17) + 4 * np.sin(side / 12))
    w = 0.165 * (z + 5 * np.sin(side / 14 + 1))
    fold = np.abs(np.sin(u) * np.cos(v) + np.sin(v) * np.cos(w) + np.sin(w) * np.cos(u))

    labels = np.full(depth.shape, WHITE, np.uint8)
    grey = (depth < 4.5) | (fold < 0.85 * np.clip((28 - depth) / 8, 0, 1))
    # Between the hemispheres there is a cleft, down to the arch that joins them.
    cleft = (ellipsoid((0 * x, y, z), (0, -2, 0), (1, 50, 24)) > 1) & (z > -12)
    grey |= (side < 6) & cleft
    grey |= ellipsoid((side, y, z), (15, -6, -2), (8, 13, 9)) < 1
    labels[grey] = GREY
    fluid = fold < 0.24 * np.clip((22 - depth) / 6, 0, 1)
    fluid |= (side < 2) & cleft
    fluid |= ellipsoid((side, y, z - 0.15 * np.abs(y)), (8, -4, 7), (5, 27, 7)) < 1
    labels[fluid] = FLUID
    return labels


def cerebellum(x: Array, y: Array, z: Array) -> Array:
    """Labels of the fine leaves at the lower back."""
    leaves = np.sin(0.55 * (z + 0.5 * y + 0.02 * x * x))
    core = ellipsoid((np.abs(x), y, z), (18, -40, -42), (14, 12, 9)) < 1
    return np.where(core, WHITE, np.where(leaves > 0.8, FLUID, GREY)).astype(np.uint8)


def head_labels(x: Array, y: Array, z: Array) -> Array:
    """The tissue at every point, 0 outside the head."""
    point = (x, y, z)
    labels = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.uint8)
    for label, radii in [(SCALP, (74, 92, 82)), (SKULL, (69, 87, 77)), (FLUID, (63, 81, 71))]:
        labels[ellipsoid(point, (0, 0, 0), radii) < 1] = label
    brain = ellipsoid(point, (0, 0, 0), (60, 78, 68)) < 1
    labels[brain] = cerebrum(*point)[brain]
    hind = ellipsoid(point, (0, -42, -42), (44, 28, 24))
    labels[brain & (hind < 1.1)] = FLUID
    hind_inside = brain & (hind < 1)
    labels[hind_inside] = cerebellum(*point)[hind_inside]
    return labels


def head_image(
    shape: Sequence[int], spacing: Sequence[float], brightness: dict[int, float], marker: float = 0.0
) -> Array:
    """Mean brightness of the tissues inside every voxel, from 3×3×3 points each.

    `marker` is the brightness of a capsule fixed to the right temple, as radiographers do to tell the sides apart.
    """
    x, y, z = centred_grid([3 * n for n in shape], [step / 3 for step in spacing])
    table = np.zeros(256)
    table[list(brightness)] = list(brightness.values())
    fine = table[head_labels(x, y, z)]
    fine[ellipsoid((x, y, z), (71, 42, 0), (6, 6, 9)) < 1] = marker
    nx, ny, nz = shape
    return fine.reshape(nx, 3, ny, 3, nz, 3).mean(axis=(1, 3, 5))


def rotation(axis: int, degrees: float) -> Array:
    """A turn about the x, y or z axis (0, 1, 2)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
    return matrix


def head_affine(shape: Sequence[int], steps: Sequence[float]) -> Array:
    """Voxels to scanner millimetres: slices tilted about two axes, with the grid's middle at the head's."""
    affine = np.eye(4)
    affine[:3, :3] = rotation(2, 7) @ rotation(0, -16) @ np.diag(steps)
    affine[:3, 3] = HEAD_CENTRE - affine[:3, :3] @ ((np.array(shape[:3]) - 1) / 2)
    return affine


def nifti_header(data: Array, affine: Array, description: str) -> nib.Nifti1Header:
    header = nib.Nifti1Header(endianness="<")
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_qform(affine, code="scanner")
    header.set_sform(affine, code="scanner")
    header.set_xyzt_units("mm", "sec")
    header.set_dim_info(freq=0, phase=1, slice=2)
    header.set_slope_inter(1, 0)
    header["vox_offset"] = 352
    header["descrip"] = description.encode("ascii")
    return header


def nifti_bytes(header: nib.Nifti1Header, data: Array) -> bytes:
    """The file's content: header, no extensions, voxels.

    Put together here because nibabel's own writer computes slope and intercept anew.
    """
    voxels = data.astype(data.dtype.newbyteorder("<")).tobytes(order="F")
    return bytes(header.binaryblock) + bytes(4) + voxels


def write_gzip(path: Path, content: bytes) -> None:
    """Compress without a date or a file name, which would differ from run to run."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(content)
    path.write_bytes(buffer.getvalue())


def make_brain_and_labels() -> None:
    """A T1-like head and its tissues. The first axis runs from right to left, so qfac is -1."""
    shape, spacing = (48, 56, 32), (3.5, 3.5, 5.5)
    affine = head_affine(shape, (-3.5, 3.5, 5.5))
    brightness = {0: 10.0, WHITE: 620.0, GREY: 430.0, FLUID: 130.0, SKULL: 60.0, SCALP: 760.0}
    # The formulas' x runs to the right; the voxels' first axis runs to the left.
    real = head_image(shape, spacing, brightness, marker=900.0)[::-1]
    noise = 1.5 * np.random.default_rng(3).normal(size=shape)
    brain = to_integers((real + noise - 10) / 0.5, np.int16)
    header = nifti_header(brain, affine, "synthetic head, upsample sample data")
    header.set_slope_inter(0.5, 10)
    write_gzip(HERE / "brain.nii.gz", nifti_bytes(header, brain))

    labels = head_labels(*centred_grid(shape, spacing))[::-1]
    header = nifti_header(labels, affine, "synthetic head, tissue labels")
    header.set_intent("label", name="tissues")
    write_gzip(HERE / "labels.nii.gz", nifti_bytes(header, labels))


def make_fmri() -> None:
    """The same head six times, two seconds apart, with a patch at the left back that lights up and fades."""
    shape, spacing = (20, 24, 14), (8.0, 8.0, 12.0)
    brightness = {0: 25.0, WHITE: 700.0, GREY: 850.0, FLUID: 1150.0, SKULL: 40.0, SCALP: 180.0}
    still = head_image(shape, spacing, brightness)
    patch = np.exp(-(ellipsoid(centred_grid(shape, spacing), (-22, -58, 6), (16, 14, 18)) ** 2))
    response = np.array([0.0, 0.1, 0.6, 1.0, 0.7, 0.2])
    drift = 1 + 0.004 * np.arange(6)
    noise = 4 * np.random.default_rng(4).normal(size=(*shape, 6))
    series = still[..., None] * (drift + 0.06 * patch[..., None] * response) + noise
    data = to_integers(series, np.int16)
    header = nifti_header(data, head_affine(shape, spacing), "synthetic fMRI, TR 2 s")
    header["pixdim"][4] = 2.0
    (HERE / "fmri.nii").write_bytes(nifti_bytes(header, data))


# Arrays


def make_signal() -> None:
    """A chirp that dies away: one second at 200 samples per second, from 2 to 20 Hz."""
    t = np.arange(200) / 200
    np.save(HERE / "signal.npy", np.exp(-2.5 * t) * np.sin(2 * np.pi * (2 * t + 9 * t * t)))


def main(arguments: Sequence[str]) -> None:
    if arguments:
        make_cat(Path(arguments[0]))
    make_cat_rotated()
    make_icon()
    make_palette()
    make_bilevel()
    make_depth()
    make_imagej_stack()
    make_ome_stack()
    make_plain_stack()
    make_brain_and_labels()
    make_fmri()
    make_signal()
    for path in sorted(HERE.iterdir()):
        if path.is_file() and path.suffix not in {".py", ".md"}:
            print(f"{path.name:18} {path.stat().st_size:7,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
