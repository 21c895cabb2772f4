"""The nearest modes pick PyTorch's samples: every index of all pairs of sizes up to 256 × 600, and of long axes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.oracles import nearest, store_nearest
from upsample_cli.core.modes import Circumstances, Mode, find_mode
from upsample_cli.core.recipe import AxisRecipe, AxisTarget, make_recipe

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed; its stored answers were compared")
IN_SIZES = range(1, nearest.LARGEST_IN + 1)


@pytest.fixture(scope="module")
def stored():
    with np.load(nearest.STORE) as records:
        return dict(records)


@cache
def _mode(name: str) -> Mode:
    """The mode, with the matrices of equal maps made once: n/m and 1/(m/n) are equal more often than not."""
    return replace(find_mode(name), bands=cache(find_mode(name).bands))


def _indices(step: AxisRecipe) -> np.ndarray:
    if step.bands is None:
        return np.arange(step.map.in_size)
    assert step.bands.picks
    return step.bands.first


def _recipe(question: nearest.Question, in_size: int, pairs: list[tuple[int, float | None]]) -> list[AxisRecipe]:
    """The axis at hand for every one of the pairs."""
    layout, dtype = question.layout, np.dtype(question.dtype)
    if layout.ndim != 2 or layout.large:  # the circumstances are those of any number of axes but two: all at once
        targets = [AxisTarget(*pair) for pair in pairs]
        return make_recipe([in_size] * len(pairs), targets, _mode(question.mode), False, dtype)
    sizes = [int(size) for size in layout.spread(in_size, 1)]
    return [
        make_recipe(
            sizes,
            [AxisTarget(*pair) if axis == layout.axis else AxisTarget(1) for axis in range(2)],
            _mode(question.mode),
            False,
            dtype,
        )[layout.axis]
        for pair in pairs
    ]


@cache
def _digests(question: nearest.Question) -> np.ndarray:
    return np.array(
        [
            nearest.digest([_indices(step) for step in _recipe(question, n, list(question.pairs(n)))])
            for n in IN_SIZES
        ],
        np.uint32,
    )


def _alike(question: nearest.Question) -> nearest.Question:
    """A question with the same circumstances, for which the answer is known already."""
    layout, dtype = question.layout, question.dtype
    if layout.ndim != 2 or layout.large:
        layout = nearest.LAYOUTS[0]
    else:
        layout, dtype = nearest.LAYOUTS[2], nearest.DTYPES[0]
    return replace(question, layout=layout, dtype=dtype)


@pytest.mark.parametrize("question", nearest.QUESTIONS, ids=lambda question: question.id)
def test_alike_questions_have_the_same_circumstances(question):
    other = _alike(question)
    small = question.layout.ndim == 2 and not question.layout.large
    for size in range(1, question.layout.largest + 1):
        here, there = (
            Circumstances.of(np.dtype(q.dtype), q.layout.spread(size, q.layout.others(size))) for q in (question, other)
        )
        assert here == there
        assert here.small_2d == small


@pytest.mark.parametrize("question", nearest.QUESTIONS, ids=lambda question: question.id)
def test_every_pair_of_sizes_has_torchs_indices(question, stored):
    wrong = np.flatnonzero(_digests(_alike(question)) != stored[question.id]) + 1
    assert wrong.tolist() == []


@pytest.mark.parametrize("question", [q for q in nearest.QUESTIONS if q.layout.ndim == 1], ids=lambda q: q.id)
def test_long_axes_have_torchs_indices(question, stored):
    pairs = nearest.long_pairs()
    assert max(map(max, pairs)) > 90_000
    wrong = []
    for (n, m), expected in zip(pairs, stored[f"{question.id}, long"], strict=True):
        factor = None if question.kind == "size" else m / n
        size = m if factor is None else int(n * factor)
        if nearest.digest([_indices(_recipe(question, n, [(size, factor)])[0])]) != expected:
            wrong.append((n, m))
    assert wrong == []


@needs_torch
@pytest.mark.parametrize("question", nearest.QUESTIONS, ids=lambda question: question.id)
def test_a_live_torch_picks_what_is_stored(question, stored):
    for n in (1, 2, 3, 16, 97, 252):
        answers = [store_nearest.torch_indices(question, n, *pair) for pair in question.pairs(n)]
        assert nearest.digest(answers) == stored[question.id][n - 1]
    if question.layout.ndim == 1:
        assert store_nearest.long_digests(question) == stored[f"{question.id}, long"].tolist()


def test_digests_tell_indices_and_ends_apart():
    indices = [np.array([0, 0, 1]), np.array([0, 1])]
    digest = nearest.digest(indices)
    assert nearest.digest([index.astype(np.int32) for index in indices]) == digest
    assert nearest.digest([np.array([0, 0, 1]), np.array([0, 0])]) != digest
    assert nearest.digest([np.array([0, 0]), np.array([1, 0, 1])]) != digest
