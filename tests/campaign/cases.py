"""Cases: files and a command to run on them. The seed and the number determine a case."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.campaign import bombs, mutators, stores
from tests.campaign.metadata import TIFF_TAGS
from tests.campaign.seeds import seeds

_TARGETS = (
    "--scale 2",
    "--scale 2",
    "--scale 0.6 --antialias",
    "--size 20",
    "--spacing 0.7",
    "--fit 24x24",
    "--scale x=3",
)
_STORE_TARGETS = ("--scale 2", "--scale 0.6 --antialias", "--size 20", "--spacing 0.7", "--scale x=3")
_EXTRAS = (
    "",
    "",
    "",
    "",
    "--verify",
    "--verify",
    "--truncated",
    "--mode nearest",
    "--json",
    "-v",
    "--no-provenance",
    "--dry-run",
)
_COUNTS = ((1, 1), (1, 2**32 - 1), (0, 0), (3, 8), (100, 16))  # number of values, and the value or the offset
TYPED_TAGS = [*product(TIFF_TAGS, (*range(1, 14), 16, 99), _COUNTS)]
_WEIGHTS = {"tiff": 5, "nifti": 4, "png": 4, "jpeg": 3, "gif": 3, "webp": 2, "npy": 2, "netpbm": 2}  # the others: 1
_SUFFIXES = (".png", ".jpg", ".webp", ".gif", ".tif", ".ome.tif", ".nii", ".nii.gz", ".mgz", ".npy", ".bmp", ".ppm")


class Case(NamedTuple):
    """A command that runs in its own folder.

    Attributes:
        kind: the kind it is counted as.
        make: writes the files into a folder.
        arguments: the arguments of the command.
        output: the name of the file that it may write.
        how: what was done to the files.
    """

    kind: str
    make: Callable[[Path], None]
    arguments: list[str]
    output: str
    how: str = ""


def damaged(seed: int, number: int) -> Case:
    """A damaged file."""
    random = Random(f"{seed} {number}")
    families = _seeds()
    family = random.choices(sorted(families), [_WEIGHTS.get(name, 1) for name in sorted(families)])[0]
    suffix = random.choice(sorted(families[family]))
    data = random.choice(families[family][suffix])
    names = []
    for _ in range(random.choice((1, 1, 1, 2))):
        mutate = mutators.choose(family, random)
        names.append(mutate.__name__)
        try:
            data = mutate(data, random) or b"\0"
        except (struct.error, ArithmeticError, LookupError, ValueError):  # the first mutation broke the structure
            data = mutators.flip_bits(data, random)
    output = "out" + (suffix if random.random() < 0.6 else random.choice(_SUFFIXES))
    arguments = [*random.choice(_TARGETS).split(), *random.choice(_EXTRAS).split()]
    case = _case(f"damaged {family}", f"in{suffix}", lambda path: path.write_bytes(data), arguments, output)
    return case._replace(how=", ".join(names))


def store(seed: int, number: int) -> Case:
    """A damaged Zarr hierarchy."""
    random = Random(f"{seed} store {number}")
    damaged_store = dict(random.choice(stores.seeds()))
    done = [random.choice(stores.MUTATORS)(damaged_store, random) for _ in range(random.choice((1, 1, 1, 2)))]
    arguments = [*random.choice(_STORE_TARGETS).split(), *random.choice(_EXTRAS).split()]
    output = random.choice(("out.ome.zarr", "out.npy", "out.tif", "out.nii"))
    case = _case("damaged zarr", "in.zarr", lambda path: stores.write(damaged_store, path), arguments, output)
    return case._replace(how=", ".join(done))


def tag(seed: int, number: int) -> Case:
    """A TIFF where a tag that the command interprets has any of the types and numbers of values."""
    code, kind, (count, value) = TYPED_TAGS[number]
    data = mutators.with_tag(_seeds()["tiff"][".tif"][0], code, kind, count, value)
    output = Random(f"{seed} {number}").choice(("out.tif", "out.tif", "out.png", "out.npy", "out.nii", "out.ome.tif"))
    case = _case("typed tag", "in.tif", lambda path: path.write_bytes(data), ["--scale", "2"], output)
    return case._replace(how=f"tag {code} type {kind} count {count} value {value}")


def bomb(seed: int, number: int) -> Case:
    """A small file that claims to be large, or needs many resources for another reason."""
    name, suffix, make = bombs.BOMBS[number % len(bombs.BOMBS)]
    output = Random(f"{seed} {number}").choice((suffix, suffix, ".png", ".npy", ".tif"))
    case = _case(f"bomb {name.split()[0]}", f"in{suffix}", make, ["--scale", "2"], f"out{output}")
    return case._replace(how=name)


def _case(kind: str, name: str, write: Callable[[Path], object], arguments: list[str], output: str) -> Case:
    def make(folder: Path) -> None:
        write(folder / name)

    return Case(kind, make, [name, "-o", output, "--max-memory", "300M", "--threads", "1", *arguments], output)


@cache
def _seeds() -> dict[str, dict[str, list[bytes]]]:
    return seeds()
