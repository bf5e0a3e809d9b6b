"""Networks of the tests compute on one thread, as the processes that they start, and draw no curve."""

from __future__ import annotations

import pytest
import torch

from lensproc.train import run


@pytest.fixture(autouse=True, scope="module")
def one_thread_from_the_start():
    """Also for fixtures of a whole module, which are made before those of its tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def with_curve():
    """Draw the curve, which takes longer than such a training."""


@pytest.fixture(autouse=True)
def no_curve(request, monkeypatch):
    if "with_curve" not in request.fixturenames:
        monkeypatch.setattr(run, "draw_curve", lambda record, path: False)
