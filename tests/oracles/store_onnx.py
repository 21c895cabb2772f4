"""Store ONNX's own test cases of its Resize operator: ``python -m tests.oracles.store_onnx``, with onnx 1.23."""

from __future__ import annotations

import numpy as np

from tests.oracles.cases import noise
from tests.oracles.onnx_resize import STORE, NodeCase, save

# Beside ONNX's own, cases in which its attributes say what PyTorch does, computed by its reference implementation.
_FURTHER = (
    ("linear_antialias_exclude_outside", {"mode": "linear", "antialias": 1, "exclude_outside": 1}),
    (
        "cubic_A_n0p5_antialias_exclude_outside",
        {"mode": "cubic", "antialias": 1, "exclude_outside": 1, "cubic_coeff_a": -0.5},
    ),
    ("cubic", {"mode": "cubic"}),
    ("linear_align_corners", {"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
    ("nearest_round_prefer_ceil", {"mode": "nearest", "nearest_mode": "round_prefer_ceil"}),
    (
        "nearest_floor_asymmetric",
        {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"},
    ),
)
_FURTHER_SIZES = ((13, 5), (5, 13), (3, 4), (14, 22))


def _further() -> list[NodeCase]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    cases = []
    x = noise((1, 1, 7, 11), "float32")
    for name, attributes in _FURTHER:
        node = onnx.helper.make_node("Resize", ["X", "", "", "sizes"], ["Y"], **attributes)
        for size in _FURTHER_SIZES:
            sizes = np.array([1, 1, *size], np.int64)
            (y,) = ReferenceEvaluator(node).run(None, {"X": x, "sizes": sizes})
            where = "x".join(map(str, size))
            cases.append(NodeCase(f"further {name} to {where}", attributes, None, (1, 1, *size), x, y.astype("f4")))
    return cases


def main() -> None:
    import onnx
    from onnx.backend.test.case.node import resize

    cases: list[NodeCase] = []

    def note(node, inputs, outputs, name, **_):
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        attributes = {key: value.decode() if isinstance(value, bytes) else value for key, value in attributes.items()}
        if "axes" in attributes:
            attributes["axes"] = [*attributes["axes"]]
        given = dict(zip([name for name in node.input if name], inputs, strict=True))
        scales, sizes = (tuple(given[key].tolist()) if key in given else None for key in ("scales", "sizes"))
        cases.append(NodeCase(name.removeprefix("test_resize_"), attributes, scales, sizes, given["X"], outputs[0]))

    resize.expect = note
    for name in sorted(dir(resize.Resize)):
        if name.startswith("export_"):
            getattr(resize.Resize, name)()
    cases += _further()
    save(cases, onnx.__version__)
    print(f"{len(cases)} cases of onnx {onnx.__version__} in {STORE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
