"""The number of threads: where it comes from, and that all tasks are done."""

import os
import subprocess
import sys
import threading

import pytest

import upsample_cli
from upsample_cli.core import threads


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    monkeypatch.setattr(threads, "_thread_count", None)
    monkeypatch.delenv("UPSAMPLE_THREADS", raising=False)


def test_what_was_set_counts_before_the_variable_and_that_before_the_cores(monkeypatch):
    assert 1 <= upsample_cli.get_num_threads() <= (os.cpu_count() or 1)
    monkeypatch.setenv("UPSAMPLE_THREADS", "7")
    assert upsample_cli.get_num_threads() == 7
    upsample_cli.set_num_threads(3)
    assert upsample_cli.get_num_threads() == 3


@pytest.mark.parametrize(("number", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)])
def test_other_numbers_are_refused(number, error):
    with pytest.raises(error, match="number of threads must be"):
        upsample_cli.set_num_threads(number)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_variable_that_is_no_number_is_refused(value, monkeypatch):
    monkeypatch.setenv("UPSAMPLE_THREADS", value)
    with pytest.raises(ValueError, match=f"UPSAMPLE_THREADS must be a positive whole number, got '{value}'"):
        upsample_cli.get_num_threads()


@pytest.mark.parametrize("number", [1, 2, 5, 100])
def test_every_task_is_done_once(number):
    done = []
    threads.run_tasks([lambda task=task: done.append(task) for task in range(50)], number)
    assert sorted(done) == list(range(50))


def test_threads_work_at_the_same_time():
    together = threading.Barrier(3, timeout=10)
    threads.run_tasks([together.wait] * 3, 3)


def test_an_error_in_any_thread_comes_out():
    barrier = threading.Barrier(2, timeout=10)

    def fail():
        barrier.wait()
        raise OSError("broken")

    for tasks in ([fail, barrier.wait], [barrier.wait, fail]):
        with pytest.raises(OSError, match="broken"):
            threads.run_tasks(tasks, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_has_threads_of_its_own():
    program = """
import os, threading
from upsample_cli.core.threads import run_tasks
run_tasks([threading.Barrier(2, timeout=10).wait] * 2, 2)
child = os.fork()
run_tasks([threading.Barrier(2, timeout=10).wait] * 2, 2)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", program], check=True, timeout=60)
