"""Every public function shows an example; those that need a framework run where it is installed."""

import doctest

import pytest

import upsample_cli

_SKIP = "  # doctest: +SKIP"
_FRAMEWORKS = {"torch_interpolate": "torch", "jax_interpolate": "jax"}
_PUBLIC = [name for name in upsample_cli.__all__ if not name.startswith("_")]


@pytest.mark.parametrize("name", _PUBLIC)
def test_it_shows_an_example(name):
    text = getattr(upsample_cli, name).__doc__
    assert ">>> " in text
    assert (_SKIP in text) == (name in _FRAMEWORKS)  # pytest runs all others


@pytest.mark.parametrize("name", _FRAMEWORKS)
def test_examples_with_a_framework_give_what_they_show(name):
    pytest.importorskip(_FRAMEWORKS[name])
    function = getattr(upsample_cli, name)
    text = function.__doc__.replace(_SKIP, "")
    test = doctest.DocTestParser().get_doctest(text, {name: function}, name, None, 0)
    results = doctest.DocTestRunner(verbose=False).run(test)
    assert (results.attempted, results.failed) == (2, 0)


def test_public_names_are_offered_for_completion():
    assert set(_PUBLIC) <= set(dir(upsample_cli))
    assert "import_module" not in dir(upsample_cli)
