"""The documents of a hierarchy as a whole: copies of all in the root, the order of writing, what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

zarr = pytest.importorskip("zarr")

from tests.formats.zarr.stores import write_image  # noqa: E402
from tests.pipeline_helpers import planned, upsampled  # noqa: E402
from upsample_cli.formats.zarr.documents import read_node, write_nodes  # noqa: E402
from upsample_cli.formats.zarr.store import Directory  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata", "ignore:Object at .* is not recognized")

DATA = np.arange(8 * 10, dtype="u1").reshape(8, 10)


def image(path: Path, zarr_format: int, listed: bool = True) -> Path:
    """An image of two levels with a label image."""
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    write_image(group, "yx", [DATA, DATA[::2, ::2]], [[1, 1], [2, 2]], [[0, 0], [0.5, 0.5]], chunks=(8, 8))
    labels = group.create_group("labels")
    names = {"labels": ["cells"] if listed else []}
    labels.attrs.update(names if zarr_format == 2 else {"ome": {"version": "0.5", **names}})
    write_image(labels.create_group("cells"), "yx", [DATA // 40], [[1, 1]], [[0, 0]], chunks=(8, 8))
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_consolidated_metadata_is_made_again(tmp_path: Path, zarr_format: int) -> None:
    source, output = image(tmp_path / "in.zarr", zarr_format), tmp_path / "out.zarr"
    zarr.consolidate_metadata(str(source))
    upsampled(source, output, scale=2)
    group = zarr.open_consolidated(str(output), zarr_format=zarr_format)
    shapes = {name: member.shape for name, member in group.members(max_depth=None) if isinstance(member, zarr.Array)}
    assert shapes == {"0": (16, 20), "1": (8, 10), "labels/cells/0": (16, 20)}
    assert dict(group["labels"].attrs) == dict(zarr.open_group(str(output), path="labels", mode="r").attrs)
    zarr.consolidate_metadata(str(tmp_path / "out.zarr"))
    again = zarr.open_consolidated(str(output), zarr_format=zarr_format)
    assert group.metadata.consolidated_metadata == again.metadata.consolidated_metadata


def test_what_makes_a_node_is_written_after_its_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, keys = Directory(image(tmp_path / "in.zarr", 2)), []
    nodes = [node for path in ("", "0", "labels") if (node := read_node(store, path)) is not None]
    monkeypatch.setattr(Directory, "write", lambda self, key, data: keys.append(key))
    write_nodes(store, nodes)
    assert keys == ["0/.zarray", "labels/.zattrs", "labels/.zgroup", ".zattrs", ".zgroup"]


def test_a_label_image_that_is_not_listed_is_reported(tmp_path: Path) -> None:
    plan = planned(image(tmp_path / "in.zarr", 3, listed=False), scale=2)
    assert any("not carried over, because no image lists them: labels/cells" in str(text) for text in plan.warnings)
    plan = planned(image(tmp_path / "other.zarr", 3), scale=2)
    assert not any("not carried over" in str(text) for text in plan.warnings)
