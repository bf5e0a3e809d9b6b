"""Deconvolvers refuse, in words, a cutout whose PSF they cannot use."""

import numpy as np
import pytest

from lensproc.config import StageSpec
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.errors import PluginError
from tests.engine.stages import cutout
from tests.scenes import star_field


@pytest.mark.parametrize("second", ["starlet", "richardson-lucy"])
def test_nothing_is_left_to_deconvolve_after_richardson_lucy(second: str) -> None:
    chain = (StageSpec("richardson-lucy", {"iterations": 5}), StageSpec(second))
    with Pipeline(PipelineConfig(chain, checks="none", device="cpu")) as pipeline:
        (result,) = pipeline.run([cutout(star_field((32, 32)), variance=np.ones((32, 32), np.float32))])
    assert isinstance(result, PluginError)
    assert "an earlier stage has taken the whole PSF out" in str(result)
