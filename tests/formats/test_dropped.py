"""The vocabulary of losses: codes survive processes, and JSON lines list them."""

import json
import pickle

import nibabel as nib
import numpy as np
from click.testing import CliRunner

from upsample_cli.cli.command import main
from upsample_cli.formats.dropped import Dropped, Loss, losses_of


def test_a_description_crosses_processes_with_its_codes():
    copy = pickle.loads(pickle.dumps(Dropped("the tag Make", Loss.TAG, Loss.EXIF)))
    assert copy == "the tag Make"
    assert copy.losses == (Loss.TAG, Loss.EXIF)


def test_codes_are_sorted_and_unique():
    assert losses_of(["a warning of another kind", Dropped("b", Loss.XMP, Loss.TAG), Dropped("c", Loss.TAG)]) == [
        "tag",
        "xmp",
    ]


def test_json_lines_list_what_is_dropped(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.diag([2, 2, 2, 1]))
    image.header["descrip"] = b"a scan"
    image.header["cal_max"] = 5
    nib.save(image, tmp_path / "in.nii")
    arguments = [str(tmp_path / "in.nii"), "--scale", "2", "--json", "-o", str(tmp_path / "out.npy")]
    line = json.loads(CliRunner().invoke(main, arguments, catch_exceptions=False).stdout)
    assert line["dropped"] == ["affine", "axis-names", "description", "display-range", "spacing"]
