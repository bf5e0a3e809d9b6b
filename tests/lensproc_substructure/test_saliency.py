"""What the default network looks at, shown on the cutout."""

from __future__ import annotations

import pytest
import torch

from lensproc.contract.stage import Batch, Item
from lensproc.cutout import PSF
from lensproc.nn.classifying.saliency import saliency_of
from lensproc_substructure import SUBSTRUCTURE
from lensproc_substructure.substructure import build, stage


@pytest.mark.parametrize("method", ["integrated-gradients", "grad-cam"])
def test_the_default_network_is_explained_on_the_cutout_not_on_its_resampled_ring(method):
    pytest.importorskip("captum")
    torch.manual_seed(0)
    made = stage(SUBSTRUCTURE, SUBSTRUCTURE.resolve_options({"saliency": method}))
    made.network = build({"width": 4, "blocks": 1, "side": 32}).eval().requires_grad_(False)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    ring = 80.0 * torch.exp(-0.5 * ((torch.hypot(x - 20.0, y - 40.0) - 10.0) / 2.0) ** 2)
    images = (ring + torch.randn(64, 48, generator=torch.Generator().manual_seed(1)))[None, None]
    inputs, frame = made.looks(
        Batch(images, None, torch.zeros_like(images, dtype=torch.bool), (Item(psf=PSF(2.0, None)),))
    )
    found = saliency_of(method, made.network, images, torch.tensor([1]), inputs, frame)[0]
    assert found.shape == (64, 48)
    assert bool(torch.isfinite(found).all())
    weight = found.abs()
    assert float(weight.sum()) > 0.0
    # far from the ring nothing is looked at
    far = torch.hypot(x - 20.0, y - 40.0) > 35.0
    assert float(weight[far].sum()) < 0.02 * float(weight.sum())
