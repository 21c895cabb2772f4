"""What lacks on the machine is no bug: each has a clear message and an exit code of its own."""

from pathlib import Path

import pytest

from upsample_cli.errors import InternalError, RequestError, as_failure


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "not enough memory; choose a smaller output"),
        (ImportError("x.so: failed to map segment from shared object"), "not enough memory; choose a smaller output"),
        (ImportError("x.so: cannot allocate memory in static TLS block"), "not enough memory; choose a smaller output"),
        (RuntimeError("can't start new thread"), "the system allows no more threads"),
    ],
)
def test_what_the_machine_lacks(error, says):
    failure = as_failure(error, Path("in.npy"), "choose a smaller output")
    assert isinstance(failure, RequestError)
    assert str(failure).startswith(f"in.npy: {says}")


@pytest.mark.parametrize("error", [ImportError("no module named x"), RuntimeError("x"), FileNotFoundError(2, "x")])
def test_all_else_is_a_bug(error):
    assert isinstance(as_failure(error, None, ""), InternalError)
