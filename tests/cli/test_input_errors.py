"""Inputs that are missing, unreadable, damaged or unsupported are refused, and nothing on disk changes."""

import gc
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.cli_helpers import ONE_OF_EACH_FAMILY, ignore_unclosed_files, invoke, listing, not_as_root, ramp, refuse, run
from tests.samples import SAMPLES

pytestmark = pytest.mark.usefixtures("folder")  # an empty working directory


@pytest.mark.parametrize("name", ["none.png", "none.tif", "none.nii", "none.nii.gz", "none.hdr", "none.npy", "none"])
def test_missing(name):
    refuse(name, "--scale", 2, code=3, says=(name, "does not exist"))


def test_a_pattern_that_matches_nothing():
    refuse("*.png", "--scale", 2, code=3, says="*.png")


@pytest.mark.parametrize("name", ["e.png", "e.tif", "e.nii", "e.nii.gz", "e.hdr", "e.npy", "e"])
def test_empty(folder, name):
    (folder / name).touch()
    refuse(name, "--scale", 2, code=3, says=(name, "empty"))


@pytest.mark.parametrize("ext", [".png", ".tif", ".ome.tif", ".nii", ".nii.gz", ".hdr", ".npy", ".txt", ""])
@pytest.mark.parametrize("content", [b"\0", b"not what the suffix says\n" * 100, bytes(1000), b"P5 but no number"])
def test_unsupported(folder, ext, content):
    (folder / f"file{ext}").write_bytes(content)
    refuse(f"file{ext}", "--scale", 2, code=3, says=f"file{ext}: ")


@pytest.mark.parametrize("magic", [b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"\x93NUMPY", b"\x93NUMPY\x01\0\xff\xff"])
def test_a_right_beginning_and_nothing_right_after_it(folder, magic):
    (folder / "file.bin").write_bytes(magic + b"\xff" * 300)
    refuse("file.bin", "--scale", 2, code=3, says="file.bin")


def test_an_archive_of_arrays_is_no_array():
    np.savez("arrays.npz", a=ramp(3))
    refuse("arrays.npz", "--scale", 2, code=3, says="arrays.npz")


@ignore_unclosed_files
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "broken"])
def test_an_archive_of_arrays_in_disguise(folder, whole):
    np.savez("arrays.npz", a=ramp(3))
    (folder / "arrays.npz").rename("arrays.npy")
    if not whole:
        (folder / "arrays.npy").write_bytes(b"PK\3\4" + bytes(400))
    refuse("arrays.npy", "--scale", 2, code=3, says="arrays.npy")


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "b"]),
        np.array([b"a", b"b"]),
        np.array([None, 1], object),
        np.zeros(3, [("a", "f4"), ("b", "i2")]),
        np.zeros(3, "datetime64[s]"),
        np.zeros(3, "timedelta64[s]"),
        np.float64(3),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_that_are_no_arrays_of_numbers(array):
    np.save("in.npy", array, allow_pickle=True)
    refuse("in.npy", "--scale", 2, code=3, says="in.npy")


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        *[(shape, options) for shape in ((0,), (3, 0)) for options in ("--scale 2", "--scale x=2", "--size 4")],
        ((0, 3), "--scale 2"),
        ((2, 0, 3), "--size 4"),
        ((0, 3), "--scale x=2"),  # the empty axis is not resized
        ((2, 0, 3), "--scale x=2"),
        ((0,), "--fit 4"),
        ((3, 0), "--fit 4"),
    ],
)
def test_an_axis_without_samples(shape, options):
    np.save("in.npy", np.zeros(shape))
    before = listing(Path.cwd())
    result = invoke("in.npy", *options.split())
    assert result.exit_code in (2, 3), result.output
    assert result.stderr.startswith("Error: in.npy: ")
    assert result.stderr.count("\n") == 1
    assert listing(Path.cwd()) == before


@pytest.mark.parametrize("name", ["folder", "folder.png", "folder.nii.gz"])
def test_a_directory(folder, name):
    (folder / name).mkdir()
    refuse(name, "--scale", 2, code=3, says=(name, "is a directory"))


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_unreadable(public, name):
    folder = public
    (folder / name).write_bytes((SAMPLES / name).read_bytes())
    (folder / "warm").mkdir()
    run(name, "--scale", 2, "-o", "warm/")  # imports what there is to import, while everybody may
    before = listing(folder)
    (folder / name).chmod(0)
    try:
        with not_as_root():
            result = run(name, "--scale", 2, code=3)
    finally:
        (folder / name).chmod(0o600)
    assert result.stderr == f"Error: {name}: cannot be opened: Permission denied\n"
    assert listing(folder) == before


def test_a_link_to_nothing(folder):
    (folder / "nothing.png").symlink_to("none.png")
    refuse("nothing.png", "--scale", 2, code=3, says="nothing.png")


def test_a_link_to_itself(folder):
    (folder / "loop.png").symlink_to("loop.png")
    refuse("loop.png", "--scale", 2, code=3, says="loop.png")


def cuts(size):
    """Lengths at which to cut a file: among its first bytes, all along it, and among its last."""
    along = {size * k // 24 for k in range(1, 24)}
    return sorted({1, 2, 3, 4, 6, 8, 9, 12, 20, 33, 64, 100, 200, 347, 348, 352, *along, size - 9, size - 2, size - 1})


@pytest.mark.parametrize(
    "name",
    [
        *["cat_rotated.jpg", "icon.png", "palette.png", "stack_plain.tif", "labels.nii.gz", "fmri.nii", "signal.npy"],
        "stack_imagej.tif",
        "stack_ome.ome.tif",
    ],
)
@ignore_unclosed_files
def test_truncated(folder, sample, name):
    """Wherever a file is cut it is refused, unless nothing was lost but a mark of its end."""
    data = (SAMPLES / name).read_bytes()
    run(sample(name, f"whole-{name}"), "--scale", 1.5, "--mode", "nearest", "-o", f"out-{name}")
    whole = (folder / f"out-{name}").read_bytes()
    (folder / f"out-{name}").unlink()
    for cut in cuts(len(data)):
        (folder / name).write_bytes(data[:cut])
        before = listing(folder)
        result = invoke(name, "--scale", "1.5", "--mode", "nearest", "-o", f"out-{name}")
        if result.exit_code == 0:
            assert (folder / f"out-{name}").read_bytes() == whole, cut
            (folder / f"out-{name}").unlink()
        else:
            assert result.exit_code == 3, (cut, result.output)
            assert result.stderr.startswith(f"Error: {name}: "), (cut, result.output)
            assert result.stderr.count("\n") == 1, (cut, result.output)
        assert listing(folder) == before


def test_a_damaged_gzip_file_is_not_resized(folder, sample):
    data = bytearray((folder / sample("labels.nii.gz")).read_bytes())
    data[-8] ^= 0xFF  # the checksum of its contents
    (folder / "labels.nii.gz").write_bytes(data)
    refuse("labels.nii.gz", "--scale", 2, code=3, says="labels.nii.gz")


def test_no_file_stays_open_when_it_is_refused(folder):
    (folder / "cut.png").write_bytes((SAMPLES / "icon.png").read_bytes()[:1000])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        refuse("cut.png", "--scale", 2, code=3)
        gc.collect()
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []


@pytest.mark.parametrize("part", ["hdr", "img"])
def test_half_a_pair(folder, part):
    nib.save(nib.Nifti1Pair(ramp(4, 5, 6, dtype="int16"), np.eye(4)), "pair.hdr")
    other = {"hdr": "img", "img": "hdr"}[part]
    (folder / f"pair.{other}").unlink()
    refuse(f"pair.{part}", "--scale", 2, code=3, says="pair.")


def test_a_truncated_pair(folder):
    nib.save(nib.Nifti1Pair(ramp(4, 5, 6, dtype="int16"), np.eye(4)), "pair.hdr")
    (folder / "pair.img").write_bytes((folder / "pair.img").read_bytes()[:-1])
    for part in ("hdr", "img"):
        refuse(f"pair.{part}", "--scale", 2, code=3, says=("pair.", "truncated"))
