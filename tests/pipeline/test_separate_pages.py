"""Pages that are images of their own: messages name the option that makes them a stack."""

import numpy as np
import pytest
from PIL import Image

from tests.pipeline_helpers import planned
from upsample_cli.errors import OutputError, RequestError


def _pages(path, mode):
    first, *others = [Image.fromarray(np.full((4, 6, 3), n * 40, np.uint8)).convert(mode) for n in range(5)]
    first.save(path, save_all=True, append_images=others)
    return path


@pytest.mark.parametrize(("mode", "axes"), [("RGB", "yxs"), ("P", "yx"), ("1", "yx")])
def test_separate_pages_name_the_axes_that_make_them_a_stack(tmp_path, mode, axes):
    source = _pages(tmp_path / "in.tif", mode)
    assert len(planned(source, scale="2").images) == 5
    for name, target in (("z", {"scale": "z=2"}), ("t", {"size": "t=9"}), ("z", {"fit": "z=9"})):
        with pytest.raises(RequestError, match=f"its 5 pages are separate images; --axes {name}{axes} makes them one"):
            planned(source, **target)
        assert len(planned(source, axes=f"{name}{axes}", **target).images) == 1
    for suffix in (".npy", ".nii"):
        with pytest.raises(OutputError, match=f"holds one image, not 5: .* with --axes z{axes}, choose one with"):
            planned(source, tmp_path / f"out{suffix}", scale="2")
        assert planned(source, tmp_path / f"out{suffix}", scale="2", axes=f"z{axes}").first.after.grid["z"].size == 10
        assert len(planned(source, tmp_path / f"out{suffix}", scale="2", series=0).images) == 1


def test_a_stack_of_grey_pages_has_no_such_message(tmp_path):
    assert planned(_pages(tmp_path / "in.tif", "L"), scale="z=2").first.after.grid["z"].size == 10
