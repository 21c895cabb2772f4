"""Options that name values mean those of slope and intercept, as nibabel's ``get_fdata`` gives them."""

import nibabel as nib
import numpy as np
import pytest

from tests.pipeline_helpers import planned, upsampled, whole
from upsample_cli.errors import RequestError


def _volume(path, stored, slope=1.0, intercept=-1000.0, sizes=None):
    image = nib.Nifti1Image(np.asarray(stored), np.eye(4))
    image.header.set_slope_inter(slope, intercept)
    image.set_sform(np.eye(4), 1)
    nib.save(image, path)
    return path


def _constant(tmp_path, name="in.nii", level=1500, dtype="i2", **scaling):
    return _volume(tmp_path / name, np.full((4, 4, 4), level, dtype), **scaling)


@pytest.fixture
def longer(tmp_path):
    return _volume(tmp_path / "ref.nii", np.zeros((6, 4, 4), "i2"), 1, 0)


def _real(path):
    return nib.load(path).get_fdata()


@pytest.mark.parametrize(
    "options", [{}, {"dtype": "float32"}, {"mode": "nearest"}, {"mode": "nearest", "dtype": "float64"}]
)
@pytest.mark.parametrize(("outside", "real"), [(None, 0), (-1000.0, -1000)])
def test_a_fill_is_a_real_value(tmp_path, longer, outside, real, options):
    source = _constant(tmp_path)
    plan = upsampled(source, tmp_path / "o.nii", like=str(longer), outside=outside, verify=True, **options)
    data = _real(tmp_path / "o.nii")
    np.testing.assert_array_equal(data[:4], 500)
    np.testing.assert_array_equal(data[4:], real)
    assert f"33.3% of the output lies outside the input; it is set to {real} there" in plan.warnings


def test_a_fill_between_two_levels_is_the_nearest_with_one_warning(tmp_path, longer):
    source = _constant(tmp_path, slope=0.3, intercept=-0.1)
    plan = upsampled(source, tmp_path / "o.nii", like=str(longer), verify=True)
    np.testing.assert_allclose(_real(tmp_path / "o.nii")[4:], -0.1)
    assert [w for w in plan.warnings if "nearest" in w] == [
        "33.3% of the output lies outside the input; it is set to -0.1 there, "
        "the value nearest to 0 that its samples can have"
    ]
    upsampled(source, tmp_path / "f.nii", like=str(longer), dtype="float32", verify=True)
    np.testing.assert_allclose(_real(tmp_path / "f.nii")[4:], 0, atol=1e-6)


def test_values_beyond_the_stored_range(tmp_path, longer):
    source = _constant(tmp_path, level=100, dtype="u1", slope=1, intercept=10)
    plan = upsampled(source, tmp_path / "o.nii", like=str(longer), verify=True)
    assert set(np.unique(_real(tmp_path / "o.nii"))) == {10, 110}, "the default is the nearest, with a warning"
    assert any("set to 10 there, the value nearest to 0" in warning for warning in plan.warnings)
    for option in ("outside", "nodata"):
        with pytest.raises(RequestError, match=f"--{option} 300: its samples can have values from 10 to 265 only"):
            planned(source, like=str(longer), **{option: 300.0})


@pytest.mark.parametrize("output", ["o.nii", "o.npy"])
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_missing_samples_are_named_by_their_real_value(tmp_path, output, dtype):
    stored = np.full((4, 4, 4), 1500, "i2")
    stored[2:] = 1
    source = _volume(tmp_path / "in.nii", stored)
    upsampled(source, tmp_path / output, scale=2, nodata=-999.0, dtype=dtype, verify=True)
    if output == "o.nii":
        assert set(np.unique(_real(tmp_path / output))) == {-999, 500}
    else:
        assert set(np.unique(np.load(tmp_path / output))) == ({-999, 500} if dtype else {1, 1500})


def test_a_missing_value_between_two_levels_is_told(tmp_path):
    source = _constant(tmp_path, slope=0.5, intercept=0)
    assert (
        "--nodata 3.3: 3.5 is taken, the nearest value that its samples can have"
        in planned(source, scale="2", nodata=3.3).warnings
    )


@pytest.mark.parametrize(("stored", "slope", "intercept"), [(1500, 1, -1000), (-500, -1, 0), (5000, 0.1, 0)])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_a_range_is_of_real_values(tmp_path, stored, slope, intercept, mode):
    source = _constant(tmp_path, level=stored, slope=slope, intercept=intercept)
    output = tmp_path / "o.npy"
    upsampled(source, output, scale=2, dtype="uint8", rescale=(0.0, 1000.0), mode=mode, verify=True)
    assert abs(int(np.load(output).max()) - 127.5) <= 0.5
    upsampled(source, tmp_path / "o.nii", scale=2, dtype="uint8", rescale=(0.0, 1000.0), mode=mode, verify=True)
    np.testing.assert_allclose(_real(tmp_path / "o.nii"), 500, atol=2)


def test_the_full_range_of_falling_stored_numbers_rises_with_the_real_values(tmp_path):
    source = _volume(tmp_path / "in.nii", np.arange(64, dtype="u1").reshape(4, 4, 4), slope=-1, intercept=100)
    upsampled(source, tmp_path / "o.npy", scale=1, dtype="uint16", rescale="full", verify=True)
    assert (np.load(tmp_path / "o.npy").ravel().astype(int) == 65535 - 257 * _stored(source)).all()


def _stored(path):
    return np.asarray(nib.load(path).dataobj.get_unscaled()).T.ravel().astype(int)


def test_saturation_is_told_in_real_values(tmp_path):
    plan = planned(_constant(tmp_path), scale="2", dtype="uint8")
    assert "values below -1000 or above -745 are saturated; --rescale maps the full range" in plan.warnings


def test_analyze_has_real_values_too(tmp_path, longer):
    image = nib.Spm99AnalyzeImage(np.full((4, 4, 4), 1000, "i2"), None)  # nibabel writes affines with SciPy
    image.header.set_slope_inter(0.5, 0)
    nib.save(image, tmp_path / "a.img")
    upsampled(tmp_path / "a.img", tmp_path / "o.npy", scale=2, dtype="uint8", rescale=(0.0, 1000.0), verify=True)
    assert abs(int(np.load(tmp_path / "o.npy").max()) - 127.5) <= 0.5


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".mgz", ".ome.zarr"])
@pytest.mark.parametrize(("stored", "dtype"), [("i2", "float32"), ("f4", None)])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_floats_are_the_real_values_where_a_format_has_no_slope(tmp_path, suffix, stored, dtype, mode):
    source = _volume(tmp_path / "in.nii", np.arange(64, dtype=stored).reshape(4, 4, 4), slope=0.5, intercept=-7)
    if suffix == ".ome.zarr":
        pytest.importorskip("zarr")
    output = tmp_path / f"o{suffix}"
    plan = upsampled(source, output, scale=1, dtype=dtype, mode=mode, verify=True)
    np.testing.assert_array_equal(whole(output), 0.5 * whole(source) - 7)
    assert not any("slope" in warning for warning in plan.warnings)


def test_integers_lose_the_slope_with_a_warning_that_names_the_remedy(tmp_path):
    for output in (tmp_path / "o.npy", tmp_path / "o.mgz", tmp_path / "o.tif"):
        (loss,) = [text for text in planned(_constant(tmp_path), output, scale="2").warnings if "slope" in text]
        assert "(slope 1, intercept -1000; --dtype float32 writes the values that they mean)" in loss


def test_floats_keep_their_slope_unless_a_type_is_asked_for(tmp_path):
    source = _constant(tmp_path, dtype="f4")
    upsampled(source, tmp_path / "kept.nii", scale=2, verify=True)
    assert nib.load(tmp_path / "kept.nii").dataobj.inter == -1000
    upsampled(source, tmp_path / "real.nii", scale=2, dtype="float32", verify=True)
    assert nib.load(tmp_path / "real.nii").dataobj.inter == 0
    assert set(np.unique(_real(tmp_path / "real.nii"))) == {500}
