"""What only a GPU can show."""

from __future__ import annotations

import numpy as np
import pytest

from lensproc.config import StageSpec
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.enhanced import Enhanced
from tests.engine.stages import cutout
from tests.scenes import star_field

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("stage", ["bicubic", "lanczos", "starlet"])
def test_pixels_agree_with_the_cpus(stage: str) -> None:
    """Across devices pixels agree to 1e-5 of the peak."""
    images = [cutout(star_field(seed=i), variance=np.ones((48, 48), np.float32)) for i in range(5)]
    results = []
    for device in ("cpu", "cuda"):
        config = PipelineConfig((StageSpec(stage),), checks="none", device=device)
        with Pipeline(config) as pipeline:
            results.append([r.image.data for r in pipeline.run(images) if isinstance(r, Enhanced)])
    for on_cpu, on_gpu in zip(*results, strict=True):
        assert np.abs(on_cpu - on_gpu).max() <= 1e-5 * np.abs(on_cpu).max()


def test_the_device_is_recorded() -> None:
    import torch

    with Pipeline(PipelineConfig((StageSpec("bicubic"),), checks="none", device="cuda")) as pipeline:
        (result,) = pipeline.run([cutout(star_field())])
    assert isinstance(result, Enhanced)
    assert result.activities[1].device == torch.cuda.get_device_name()
