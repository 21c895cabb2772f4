"""What is written, as others see it: the specification's models, ome-zarr-py and ngff-zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest

zarr = pytest.importorskip("zarr")

from tests.formats.zarr.stores import write_image  # noqa: E402
from tests.pipeline_helpers import upsampled  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries


class Level(NamedTuple):
    """A level of an image as a witness sees it."""

    samples: np.ndarray
    scale: tuple[float, ...]
    translation: tuple[float, ...]


SPACING, ORIGIN = (2.0, 0.5, 0.25), (7.0, -3.0, 11.0)  # of the input, z, y and x, in micrometres
DATA = np.random.default_rng(0).integers(0, 4000, (20, 34, 52)).astype("u2")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same image resized from versions 0.4 and 0.5 and from NIfTI, with labels and in a plate."""
    folder = tmp_path_factory.mktemp("witnesses")
    halves = DATA[::2, ::2, ::2]
    scales = [SPACING, tuple(2 * step for step in SPACING)]
    starts = [ORIGIN, tuple(start + step / 2 for start, step in zip(ORIGIN, SPACING, strict=True))]
    storage: dict[str, Any] = {"chunks": (16, 16, 16)}
    for version, zarr_format in (("0.4", 2), ("0.5", 3)):
        group = zarr.open_group(str(folder / f"in{version}.ome.zarr"), mode="w", zarr_format=zarr_format)
        write_image(group, "zyx", [DATA, halves], scales, starts, **storage)
        names: dict[str, Any] = {"labels": ["cells"]}
        group.create_group("labels").attrs.update(names if zarr_format == 2 else {"ome": {"version": "0.5", **names}})
        below, described = group.create_group("labels/cells"), {"image-label": {"source": {"image": "../../"}}}
        write_image(below, "zyx", [DATA // 500, halves // 500], scales, starts, extra=described, **storage)
    image = nib.Nifti1Image(DATA.T, np.diag([*SPACING[::-1], 1]))
    image.affine[:3, 3] = ORIGIN[::-1]
    image.set_sform(image.affine, 1)
    image.header.set_xyzt_units("micron")
    nib.save(image, folder / "innifti.nii")
    plate = zarr.open_group(str(folder / "inplate.ome.zarr"), mode="w")
    wells = {
        "columns": [{"name": "1"}],
        "rows": [{"name": "A"}],
        "wells": [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}],
    }
    plate.attrs["ome"] = {"version": "0.5", "plate": wells | {"version": "0.5", "name": "p", "field_count": 1}}
    plate.create_group("A").create_group("1").attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
    write_image(plate.create_group("A/1/0"), "zyx", [DATA], [SPACING], [ORIGIN], **storage)
    made = {}
    for source in sorted(folder.glob("in*")):
        kind = source.name.removeprefix("in").removesuffix(".ome.zarr").removesuffix(".nii")
        made[kind] = folder / f"{kind}.ome.zarr"
        upsampled(source, made[kind], scale=1.5)
    return made


def by_ome_zarr_py(path: Path) -> list[Level]:
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    [image, *_] = reader.Reader(io.parse_url(path))()
    assert [axis["name"] for axis in image.metadata["axes"]] == ["z", "y", "x"]
    levels = []
    for samples, steps in zip(image.data, image.metadata["coordinateTransformations"], strict=True):
        scale, translation = (
            next(step[kind] for step in steps if step["type"] == kind) for kind in ("scale", "translation")
        )
        levels.append(Level(np.asarray(samples), tuple(scale), tuple(translation)))
    return levels


def by_ngff_zarr(path: Path) -> list[Level]:
    ngff_zarr = pytest.importorskip("ngff_zarr")
    images = ngff_zarr.from_ngff_zarr(str(path)).images
    assert images[0].axes_units == dict.fromkeys("zyx", "micrometer")
    return [
        Level(np.asarray(i.data), *(tuple(values[axis] for axis in "zyx") for values in (i.scale, i.translation)))
        for i in images
    ]


@pytest.mark.parametrize("witness", [by_ome_zarr_py, by_ngff_zarr])
@pytest.mark.parametrize("kind", ["0.4", "0.5", "nifti"])
def test_a_witness_sees_the_samples_where_they_are(outputs: dict[str, Path], kind: str, witness: Any) -> None:
    first, *others = witness(outputs[kind])
    np.save(outputs[kind].with_name("x.npy"), DATA)
    upsampled(outputs[kind].with_name("x.npy"), outputs[kind].with_name("y.npy"), scale=1.5)
    np.testing.assert_array_equal(first.samples, np.load(outputs[kind].with_name("y.npy")))
    np.testing.assert_allclose(first.scale, np.divide(SPACING, 1.5))
    corner = np.subtract(ORIGIN, np.multiply(SPACING, 0.5))  # the extent stays where it was
    for level in (first, *others):
        np.testing.assert_allclose(np.subtract(level.translation, np.multiply(level.scale, 0.5)), corner)
        np.testing.assert_allclose(np.multiply(level.samples.shape, level.scale), np.multiply(DATA.shape, SPACING))
    assert kind == "nifti" or len(others) == 1


@pytest.mark.parametrize(
    ("kind", "group", "model"),
    [
        ("0.4", "", "v04.Image"),
        ("0.4", "labels", "v04.Labels"),
        ("0.4", "labels/cells", "v04.ImageLabel"),
        ("0.5", "", "v05.Image"),
        ("0.5", "labels", "v05.Labels"),
        ("0.5", "labels/cells", "v05.ImageLabel"),
        ("nifti", "", "v05.Image"),
        ("plate", "", "v05.HCS"),
        ("plate", "A/1", "v05.Well"),
        ("plate", "A/1/0", "v05.Image"),
    ],
)
def test_the_models_of_the_specification_accept_it(outputs: dict[str, Path], kind: str, group: str, model: str) -> None:
    pytest.importorskip("ome_zarr_models")
    version, name = model.split(".")
    models = pytest.importorskip(f"ome_zarr_models.{version}")
    getattr(models, name).from_zarr(zarr.open_group(str(outputs[kind]), path=group, mode="r"))
