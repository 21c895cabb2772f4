"""Both kernels: what has been built is tested, and so is the reference."""

import pytest

from upsample_cli.core import kernel


@pytest.fixture
def reference(monkeypatch):
    """Let NumPy do the work."""
    monkeypatch.setattr(kernel, "instruction_set", lambda: None)


@pytest.fixture(params=["compiled", "numpy"])
def engine(request, monkeypatch):
    """Each of the two kernels, by its name."""
    if request.param == "numpy":
        monkeypatch.setattr(kernel, "instruction_set", lambda: None)
    elif kernel.instruction_set() is None:
        pytest.skip("the compiled kernel is not there, or not wanted")
    return request.param
