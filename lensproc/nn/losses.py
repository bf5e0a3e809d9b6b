"""How far an image is from the truth, differentiably."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from lensproc.errors import UsageError

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def image_loss(kind: str, data_range: float = 1.0) -> Distance:
    """Loss of images of shape (N, C, H, W) against truths of that shape.

    Parameters
    ----------
    kind : str
        ``mse``, ``l1`` or ``ssim`` (1 - SSIM).
    data_range : float
        Largest less smallest value that the truth can have, for SSIM.

    Raises
    ------
    UsageError
        For another `kind`.
    """
    if kind == "mse":
        return functional.mse_loss
    if kind == "l1":
        return functional.l1_loss
    if kind == "ssim":
        return _OneMinusSSIM(data_range)
    raise UsageError(f"[loss] kind {kind!r} is not mse, l1 or ssim")


class _OneMinusSSIM:
    """1 - SSIM (Wang et al. 2004, IEEE Trans. Image Process. 13, 600), with a Gaussian window of σ 1.5 px."""

    def __init__(self, data_range: float) -> None:
        self.data_range = data_range

    def __call__(self, found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        from torchmetrics.functional.image import structural_similarity_index_measure

        similarity = structural_similarity_index_measure(found, truth, data_range=self.data_range)
        assert isinstance(similarity, torch.Tensor)
        return 1.0 - similarity


def psnr(found: torch.Tensor, truth: torch.Tensor, data_range: float = 1.0) -> torch.Tensor:
    """Peak signal-to-noise ratio [dB]: mean over the images of 10 log₁₀(range² / MSE).

    Parameters
    ----------
    found, truth : torch.Tensor, shape (N, ...)
        Images and what they should be.
    data_range : float
        Largest less smallest value that the truth can have.
    """
    errors = (found - truth).square().flatten(1).mean(1)
    return (10.0 * torch.log10(data_range**2 / errors.clamp_min(1e-20))).mean()
