"""What a discriminator and a generator have to lose; scores are logits, real images are to score high."""

from __future__ import annotations

import torch
from torch.nn import functional

from lensproc.errors import UsageError

KINDS = ("bce", "relativistic")


def require_kind(kind: str) -> str:
    """Require one of `KINDS`.

    Raises
    ------
    UsageError
        For another one.
    """
    if kind not in KINDS:
        raise UsageError(f"[loss.adversarial] kind {kind!r} is not {' or '.join(KINDS)}")
    return kind


def margins(kind: str, real: torch.Tensor, fake: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that a real image is real, and that a generated one is.

    Parameters
    ----------
    kind : str
        ``bce``: the scores themselves. ``relativistic``: each score less the mean score of the other kind, so
        that the question is which is more real (Jolicoeur-Martineau 2019, ICLR, arXiv:1807.00734, section 4.2).
    real, fake : torch.Tensor, shape (N, 1)
        Scores of the discriminator.
    """
    if require_kind(kind) == "bce":
        return real, fake
    return real - fake.mean(), fake - real.mean()


def discriminator_loss(kind: str, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Cross entropy of the right labels: 1 for real images, 0 for generated ones.

    Notes
    -----
    Goodfellow et al. 2014, NeurIPS, eq. 1 (as a loss, halved); relativistic: Jolicoeur-Martineau 2019, eq. 5.
    """
    is_real, is_fake = margins(kind, real, fake)
    return 0.5 * (functional.softplus(-is_real).mean() + functional.softplus(is_fake).mean())


def generator_loss(kind: str, real: torch.Tensor | None, fake: torch.Tensor) -> torch.Tensor:
    """Cross entropy of the labels that a generator hopes for: 1 for its own images.

    Parameters
    ----------
    kind : str
        ``relativistic`` also asks that real images count as less real than generated ones.
    real, fake : torch.Tensor, shape (N, 1)
        Scores of the discriminator, those of `fake` with gradients to the generator; ``bce`` needs no `real`.

    Notes
    -----
    The form that does not saturate (Goodfellow et al. 2014, section 3): its gradient is largest where the
    discriminator is sure.
    """
    if require_kind(kind) == "bce":
        return functional.softplus(-fake).mean()
    if real is None:
        raise ValueError("a relativistic loss needs the scores of real images")
    is_real, is_fake = margins(kind, real, fake)
    return 0.5 * (functional.softplus(-is_fake).mean() + functional.softplus(is_real).mean())


def accuracy(kind: str, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Share of images, of both kinds alike, that a discriminator holds for what they are."""
    is_real, is_fake = margins(kind, real, fake)
    return 0.5 * ((is_real > 0).double().mean() + (is_fake < 0).double().mean())


def r1_penalty(real_scores: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Half the mean squared gradient of the scores of real images with respect to their pixels.

    Parameters
    ----------
    real_scores : torch.Tensor, shape (N, 1)
        Computed from `real`.
    real : torch.Tensor, shape (N, C, H, W)
        With gradients required.

    Notes
    -----
    R₁ of Mescheder et al. 2018, ICML, arXiv:1801.04406, eq. 9, for γ = 1.
    """
    (gradient,) = torch.autograd.grad(real_scores.sum(), real, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(1).mean()
