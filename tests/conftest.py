"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("LENSPROC_REAL_DATA", Path(__file__).parents[2] / "shared" / "data" / "real"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real survey files, named by LENSPROC_REAL_DATA; the test is skipped where it is missing."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real survey files not found in {REAL_DATA}; set LENSPROC_REAL_DATA")
    return REAL_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip `gpu` tests where torch sees no CUDA device."""
    wanting = [item for item in items if item.get_closest_marker("gpu")]
    if not wanting:
        return
    import torch

    if not torch.cuda.is_available():
        for item in wanting:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device; torch sees none"))
