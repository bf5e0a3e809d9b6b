"""Losses against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from lensproc.errors import UsageError
from lensproc.nn.losses import image_loss, psnr


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    truth = torch.rand(2, 1, 40, 40)
    return (truth + 0.1 * torch.randn(2, 1, 40, 40)).requires_grad_(), truth


def test_psnr_is_the_mean_over_images_and_not_that_of_the_mean() -> None:
    truth = torch.zeros(2, 1, 8, 8)
    found = torch.stack([torch.full((1, 8, 8), 0.1), torch.full((1, 8, 8), 0.001)])
    assert float(psnr(found, truth)) == pytest.approx((20.0 + 60.0) / 2)
    assert float(psnr(10 * found, truth, data_range=10.0)) == pytest.approx(40.0)


def test_mse_and_l1() -> None:
    found, truth = pair()
    apart = (found - truth).detach().numpy()
    for kind, expected in (("mse", (apart**2).mean()), ("l1", np.abs(apart).mean())):
        assert image_loss(kind)(found, truth).item() == pytest.approx(float(expected), rel=1e-5)


def test_ssim_is_that_of_scikit_image_and_has_a_gradient() -> None:
    pytest.importorskip("torchmetrics", reason="needs lensproc[train]")
    found, truth = pair()
    loss = image_loss("ssim")(found, truth)
    expected = [
        structural_similarity(
            one[0].detach().numpy().astype(float),
            other[0].numpy().astype(float),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for one, other in zip(found, truth, strict=True)
    ]
    assert 1.0 - float(loss.detach()) == pytest.approx(float(np.mean(expected)), abs=2e-3)
    loss.backward()
    assert found.grad is not None
    assert float(found.grad.abs().sum()) > 0
    assert float(image_loss("ssim")(truth, truth)) == pytest.approx(0.0, abs=1e-6)


def test_another_loss_is_named() -> None:
    with pytest.raises(UsageError, match="'psnr' is not mse, l1 or ssim"):
        image_loss("psnr")
