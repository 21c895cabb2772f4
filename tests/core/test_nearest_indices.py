"""The nearest modes pick PyTorch's samples: every index of pairs of sizes up to 256 × 600, and of long axes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from unittest import mock

import numpy as np
import pytest

from tests.oracles import nearest, store_nearest
from upsample_cli.core import axis_plan
from upsample_cli.core.axis_plan import AxisPlan, AxisTarget, plan_axes
from upsample_cli.core.long_axis import LongMatrix
from upsample_cli.core.modes import Mode, TorchContext, find_mode

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed; its stored answers were compared")
Pairs = list[tuple[int, float | None]]
IN_SIZES = [*range(1, 33), *range(33, nearest.LARGEST_IN + 1, 16)]  # all of them take a minute, and find no more


@pytest.fixture(scope="module")
def stored():
    return nearest.load()


def _indices(step: AxisPlan) -> np.ndarray:
    if step.matrix is None:
        return np.arange(step.map.in_size)
    assert step.matrix.copies_samples
    if isinstance(step.matrix, LongMatrix):
        return step.matrix.make_rows(np.arange(step.map.out_size)).first
    return step.matrix.first


def _recipe(question: nearest.Question, mode: Mode, in_size: int, pairs: Pairs) -> list[AxisPlan]:
    """The axis at hand for every one of the pairs."""
    layout, dtype = question.layout, np.dtype(question.dtype)
    if layout.ndim != 2 or layout.large:  # the circumstances are those of any number of axes but two: all at once
        targets = [AxisTarget(*pair) for pair in pairs]
        return plan_axes([in_size] * len(pairs), targets, mode, False, dtype)
    sizes = [int(size) for size in layout.spread(in_size, 1)]
    return [
        plan_axes(
            sizes,
            [AxisTarget(*pair) if axis == layout.axis else AxisTarget(1) for axis in range(2)],
            mode,
            False,
            dtype,
        )[layout.axis]
        for pair in pairs
    ]


@cache
def _digests(mode_name: str, layout: nearest.Layout, dtype: str) -> dict[str, np.ndarray]:
    """Our answers by the kind of question."""
    digests = {kind: np.empty(len(IN_SIZES), np.uint32) for kind in nearest.KINDS}
    for place, n in enumerate(IN_SIZES):
        mode = find_mode(mode_name)
        cached = cache(axis_plan._table)  # n/m and 1/(m/n) are the same number more often than not
        with mock.patch.object(axis_plan, "_cached_table", cached):
            for kind in nearest.KINDS:
                question = nearest.Question(mode_name, layout, dtype, kind)
                steps = _recipe(question, mode, n, list(question.pairs(n)))
                digests[kind][place] = nearest.digest([_indices(step) for step in steps])
    return digests


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
            TorchContext.of(np.dtype(q.dtype), q.layout.spread(size, q.layout.others(size))) for q in (question, other)
        )
        assert here == there
        assert here.uses_small_2d_kernel == small


@pytest.mark.parametrize("question", nearest.QUESTIONS, ids=lambda question: question.id)
def test_pairs_of_sizes_have_torchs_indices(question, stored):
    alike = _alike(question)
    digests = _digests(alike.mode, alike.layout, alike.dtype)
    expected = stored[question.id][np.array(IN_SIZES) - 1]
    assert np.array(IN_SIZES)[digests[question.kind] != expected].tolist() == []


@pytest.mark.parametrize("question", [q for q in nearest.QUESTIONS if q.layout.ndim == 1], ids=lambda q: q.id)
def test_long_axes_have_torchs_indices(question, stored):
    pairs = nearest.long_pairs()
    assert max(map(max, pairs)) > 90_000
    wrong = []
    for (n, m), expected in zip(pairs, stored[f"{question.id}, long"], strict=True):
        factor = None if question.kind == "size" else m / n
        size = m if factor is None else int(n * factor)
        if nearest.digest([_indices(_recipe(question, find_mode(question.mode), n, [(size, factor)])[0])]) != expected:
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
