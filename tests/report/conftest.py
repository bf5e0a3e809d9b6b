"""A run that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from lensproc.report.folder import read_run
from lensproc.report.page import Page, build_page
from tests.report.runs import make_run


@pytest.fixture(scope="session")
def example_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of a run with known faults; its inputs lie in ``../in``."""
    return make_run(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def example_page(example_run: Path) -> Page:
    """Its page."""
    return build_page(read_run(example_run), [example_run.parent / "in"])
