"""One calibration of bicubic for all tests of the checks."""

import pytest

from lensproc.qc.calibration import measure_calibration
from tests.qc.scenes import bicubic_enhancer


@pytest.fixture(scope="session")
def calibration():
    return measure_calibration(bicubic_enhancer(), seed=1)
