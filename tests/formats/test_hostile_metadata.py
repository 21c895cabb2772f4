"""Metadata made to harm: control characters, patterns that cost quadratic time, tags of unexpected types."""

import nibabel as nib
import numpy as np
import tifffile
from click.testing import CliRunner

from upsample_cli.cli.command import main
from upsample_cli.formats import xmp


def _run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def test_control_characters_of_contents_do_not_reach_the_terminal(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
    image.header["descrip"] = b"\x1b]0;title\x07\x1b[31m"
    nib.save(image, tmp_path / "in.nii")
    done = _run(tmp_path / "in.nii", "--scale", 2, "-o", tmp_path / "out.npy")
    assert done.exit_code == 0
    assert r"\x1b]0;title\x07\x1b[31m" in done.stderr
    assert "\x1b" not in done.stderr
    assert "\x07" not in done.stderr


def test_previews_without_an_end_cost_linear_time():
    """Four megabytes of openings, which a search for each one's end would read a million times."""
    document = b"<xmp:Thumbnails>" * (1 << 18)
    assert xmp.updated(document, (8, 8), None) == document


def test_previews_are_removed():
    document = b"a<xmp:Thumbnails>1</xmp:Thumbnails>b<xap:Thumbnails>2</xap:Thumbnails>c<xmp:Thumbnails>d"
    assert xmp.updated(document, (8, 8), None) == b"abc<xmp:Thumbnails>d"


def test_a_profile_that_is_a_number_is_no_profile(tmp_path):
    tags = [(34675, "H", 1, 7, True)]
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((8, 8), np.uint8), extratags=tags)
    done = _run(tmp_path / "in.tif", "--scale", 2, "-o", tmp_path / "out.png")
    assert done.exit_code == 0, done.output
