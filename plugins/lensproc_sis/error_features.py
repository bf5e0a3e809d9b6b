"""What is known of a cutout when its lens is measured, and tells how large the error is beside the stated one."""

from __future__ import annotations

import torch

from lensproc_sis.sis_frame import PARAMETERS, axis

FEATURES = (
    "stated",  # ln of the error that the network states of this parameter, mean of the views
    "stated radius",  # that of θ_E
    "scatter",  # ln of the scatter of this parameter between the eight views
    "scatter radius",  # that of θ_E
    "jump",  # ln of the change of θ_E between the two looks
    "middle",  # ln of the light in the middle of the ring over that on the ring
    "arcs",  # ln of the share of the frame that the arcs fill
    "arcs unsure",  # how unsure the network is of where the arcs are
    "depth",  # log₁₀ of the brightest pixel over 100σ
    "size",  # log₁₀ of the half side of the frame [px], less 1.5
    "blur",  # ten times the FWHM of the PSF over the half side; not known without a PSF
)
"""Names of the features, in the order of their axis."""
FEWEST_VIEWS = 8
"""Views that it takes: the scatter between them is a feature."""
MIDDLE, RING, RING_WIDTH = 0.12, 0.4, 0.1
"""Radius of the middle, radius of the ring and half its width [half side of the frame]."""
FAINT = 0.3
"""Least light of middle and ring [σ]."""
SAME, STILL, FEW = 1e-5, 1e-3, 1e-3
"""What is added to scatter, jump and arcs, so that 0 has a logarithm."""


def features_of(
    log_sigma: torch.Tensor,
    views: torch.Tensor,
    first: torch.Tensor,
    frame: torch.Tensor,
    arcs: torch.Tensor,
    context: torch.Tensor,
) -> torch.Tensor:
    """Features of N cutouts.

    Parameters
    ----------
    log_sigma : torch.Tensor, shape (N, 7)
        Ln of the errors that the network states: of ln θ_E, x, y [half side], e₁, e₂, γ₁, γ₂.
    views : torch.Tensor, shape (N, V, 7)
        These parameters as each view has them, along the axes of the cutout.
    first : torch.Tensor, shape (N,)
        ln θ_E of the first look.
    frame : torch.Tensor, shape (N, 2, S, S)
        Of the last look: cutout in σ above the sky, and 1 where there is a cutout.
    arcs : torch.Tensor, shape (N, 1, S/2, S/2)
        Probability of light of the source, in one view of it.
    context : torch.Tensor, shape (N, 3)
        Of `lensproc_sis.sis_network.planes_and_context`.

    Returns
    -------
    torch.Tensor, shape (N, 7, F)
        See `FEATURES`; NaN where one is not known.
    """
    scatter = torch.log(views.std(1, correction=0) + SAME)
    jump = torch.log((first - views[:, :, 0].mean(1)).abs() + STILL)
    filled = torch.log(arcs.mean((1, 2, 3)) + FEW)
    unsure = (arcs * (1.0 - arcs)).mean((1, 2, 3))
    depth, size, width = context.unbind(1)
    blur = torch.where(width > 0, width, torch.nan)

    def of_all(values: torch.Tensor) -> torch.Tensor:
        return values[:, None].expand(-1, PARAMETERS)

    return torch.stack(
        (
            log_sigma,
            of_all(log_sigma[:, 0]),
            scatter,
            of_all(scatter[:, 0]),
            of_all(jump),
            of_all(middle_over_ring(frame)),
            of_all(filled),
            of_all(unsure),
            of_all(depth),
            of_all(size),
            of_all(blur),
        ),
        dim=2,
    )


def middle_over_ring(frame: torch.Tensor) -> torch.Tensor:
    """Ln of the mean light in the middle of frames (N, 2, S, S) over that at the ring, shape (N,)."""
    line = axis(frame.shape[-1], frame)
    radius = torch.hypot(line[:, None], line[None, :])

    def mean_light(there: torch.Tensor) -> torch.Tensor:
        light, inside = ((plane * there).sum((1, 2)) for plane in (frame[:, 0], frame[:, 1]))
        return (light / inside.clamp_min(1.0)).clamp_min(FAINT)

    middle = mean_light((radius < MIDDLE).to(frame))
    ring = mean_light(((radius - RING).abs() < RING_WIDTH).to(frame))
    return torch.log(middle / ring)
