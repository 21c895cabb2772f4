"""Run the tests of PyTorch, torchvision, MONAI and kornia with `upsample_cli.torch` in place of PyTorch's functions.

    python -m tests.run_public_torch_tests CHECKOUT... [--files WORD] [--tests EXPRESSION] [--show]

A checkout is a folder with the sources of one of these projects, or of torch-xpu-ops, whose copy of PyTorch's tests
runs on the CPU too; torchvision itself must be installed, MONAI and kornia are imported from their checkouts. Each test
file runs twice, first as it is and then with `interpolate` and `Upsample` replaced. The script counts the tests that
pass, and lists those that pass only without the replacement.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

_SECONDS = 3600


class Suite(NamedTuple):
    """The tests of a project that concern resizing.

    Attributes:
        marker: a path that only this project has.
        files: patterns of test files.
        expression: pytest's ``-k``; empty for all tests of the files.
        is_package: whether the tests import the checkout, rather than an installed package.
        uses_torchscript: whether TorchScript, which cannot compile our functions, is left on.
    """

    marker: str
    files: tuple[str, ...]
    expression: str = ""
    is_package: bool = False
    uses_torchscript: bool = False


_TOO_LARGE = "not 64bit and not buffer_overflow and not large"  # tests that take many GB of memory
_OF_PYTORCH = f"(upsampl or interpolate or pixel_shuffle or pixel_unshuffle or PixelShuffle) and {_TOO_LARGE}"
SUITES = {
    "PyTorch": Suite("test/test_nn.py", ("test/test_nn.py",), _OF_PYTORCH, uses_torchscript=True),
    "torch-xpu-ops": Suite("test/xpu/test_nn_xpu.py", ("test/xpu/test_nn_xpu.py",), _OF_PYTORCH, uses_torchscript=True),
    "torchvision": Suite(
        "torchvision/transforms",
        tuple(
            f"test/test_{name}.py" for name in ("transforms_v2", "functional_tensor", "transforms_tensor", "transforms")
        ),
        "resize or ScaleJitter or ShortestSize",
    ),
    "MONAI": Suite(
        "monai/transforms",
        (
            *(f"tests/transforms/test_*{word}*.py" for word in ("resize", "zoom", "smooth_field", "spatial_resample")),
            "tests/networks/blocks/test_*sample*.py",
            "tests/losses/test_ds_loss.py",
        ),
        is_package=True,
    ),
    "kornia": Suite(
        "kornia/geometry",
        (
            "tests/geometry/transform/test_affine.py",
            "tests/geometry/transform/test_pyramid.py",
            "tests/geometry/transform/test_crop*.py",
        ),
        is_package=True,
    ),
}


def run_child(arguments: list[str]) -> None:
    """Run pytest in this process: the first argument says whether to replace PyTorch's functions."""
    del sys.path[0]  # this folder, whose modules have names that checkouts use
    if arguments[0] == "replaced":
        import torch

        import upsample_cli.torch as ours

        torch.nn.functional.interpolate = ours.interpolate
        torch.nn.Upsample = torch.nn.modules.upsampling.Upsample = torch.nn.modules.Upsample = ours.Upsample
    import pytest

    sys.exit(pytest.main(arguments[1:]))


def outcomes(checkout: Path, suite: Suite, file: Path, functions: str, tests: str, show: bool) -> dict[str, str]:
    """Run those tests of one file that pytest's expression `tests` selects, or all if it is empty.

    Returns:
        For each test, "passed", "skipped" or the message of its failure.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = ["-q", "-p", "no:cacheprovider", "-W", "ignore", f"--junitxml={report}", "-o", "addopts="]
        if expressions := [f"({each})" for each in (suite.expression, tests) if each]:
            options += ["-k", " and ".join(expressions)]
        command = [sys.executable, __file__, "--child", functions, *options, str(file.relative_to(checkout))]
        environment = os.environ | ({"PYTHONPATH": str(checkout)} if suite.is_package else {})
        environment["PYTORCH_JIT"] = "1" if suite.uses_torchscript else "0"
        output = None if show else subprocess.DEVNULL
        subprocess.run(
            command, cwd=checkout, env=environment, stdout=output, stderr=output, timeout=_SECONDS, check=False
        )
        return dict(_read(report)) if report.exists() else {}


def _read(report: Path) -> Iterator[tuple[str, str]]:
    for case in ElementTree.parse(report).iter("testcase"):
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        outcome = "skipped" if case.find("skipped") is not None else "passed"
        if failure is not None:
            outcome = next(iter(failure.get("message", "").splitlines()), "failed")[:160]
        yield f"{case.get('classname')}::{case.get('name')}", outcome


def compare(name: str, checkout: Path, word: str, tests: str, show: bool) -> None:
    """Run the files of a project whose path contains `word`, and print what the replacement changes."""
    suite = SUITES[name]
    files = dict.fromkeys(file.resolve() for pattern in suite.files for file in sorted(checkout.glob(pattern)))
    for file in files:
        if word not in str(file.relative_to(checkout)):
            continue
        theirs, ours = (
            outcomes(checkout, suite, file, functions, tests, show) for functions in ("original", "replaced")
        )
        expected = [test for test, outcome in theirs.items() if outcome == "passed"]
        lost = {test: ours.get(test, "not run") for test in expected if ours.get(test) != "passed"}
        print(
            f"{name} {file.name}: {len(expected)} pass with PyTorch, {len(expected) - len(lost)} with upsample",
            flush=True,
        )
        for (test, message), count in Counter(
            (test.partition("[")[0], message) for test, message in lost.items()
        ).items():
            print(f"    {count} × {test}: {message}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkouts", nargs="+", type=Path, help="folders with the projects' sources")
    parser.add_argument("--files", default="", metavar="WORD", help="only test files whose path contains this")
    parser.add_argument("--tests", default="", metavar="EXPRESSION", help="only tests that pytest's -k selects by this")
    parser.add_argument("--show", action="store_true", help="show what pytest prints")
    arguments = parser.parse_args()
    for checkout in arguments.checkouts:
        names = [name for name, suite in SUITES.items() if (checkout / suite.marker).exists()]
        if not names:
            sys.exit(f"{checkout} is not a checkout of {', '.join(SUITES)}")
        compare(names[0], checkout.resolve(), arguments.files, arguments.tests, arguments.show)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        run_child(sys.argv[2:])
    main()
