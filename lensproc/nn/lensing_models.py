"""Lenses with a formula: the singular isothermal ellipsoid and external shear.

Conventions are those of lenstronomy (Birrer & Amara 2018, Phys. Dark Univ. 22, 189): angles run from the x axis of
the pixels to their y axis, e₁ = (1 − q)/(1 + q) cos 2φ and e₂ = (1 − q)/(1 + q) sin 2φ for an axis ratio q and a
major axis at φ, and the Einstein radius of an ellipse is the geometric mean of its half axes.
"""

from __future__ import annotations

import torch

from lensproc.nn.lensing import direction, radius

NEARLY_ROUND = 0.02
"""1 − q² below which the deflection is taken from its series, whose error there is below 1e-11."""
ROUND = 1e-8
"""Ellipticity below which e₁ is raised by as much: its direction, and so its gradient, would not be defined."""


def ellipse_deflection(
    positions: torch.Tensor, einstein_radius: torch.Tensor, e1: torch.Tensor, e2: torch.Tensor
) -> torch.Tensor:
    """Deflection of the singular isothermal ellipsoid.

    Kormann, Schneider & Bartelmann 1994, A&A 284, 285. Along its axes, for
    κ = θ_E √q / (2 √(q² x² + y²)) and q' = √(1 − q²),

        α = θ_E √q / q' · (arcsin(q' x/r), arcsinh(q' y/(q r))).

    Parameters
    ----------
    positions : torch.Tensor, shape (N, 2, ...)
        From the centre of the lens [arcsec].
    einstein_radius : torch.Tensor, shape (N,)
        θ_E [arcsec].
    e1, e2 : torch.Tensor, shape (N,)
        Ellipticity; √(e₁² + e₂²) below 1.

    Returns
    -------
    torch.Tensor, shape (N, 2, ...)
        α [arcsec], differentiable also where the lens is round.
    """
    e1 = e1 + ROUND * ((e1.abs() < ROUND) & (e2.abs() < ROUND))
    e = torch.sqrt(e1**2 + e2**2)
    q = (1.0 - e) / (1.0 + e)
    phi = 0.5 * torch.atan2(e2, e1)
    theta, q, cosine, sine = (
        _over(parameter, positions) for parameter in (einstein_radius, q, torch.cos(phi), torch.sin(phi))
    )
    unit = direction(positions)
    x = cosine * unit[:, 0] + sine * unit[:, 1]
    y = cosine * unit[:, 1] - sine * unit[:, 0]
    square = 1.0 - q**2
    amplitude = theta * torch.sqrt(q)
    along = amplitude * _over_root(torch.asin, 1.0, x, square)
    across = amplitude * _over_root(torch.asinh, -1.0, y / q, square)
    return torch.stack((cosine * along - sine * across, sine * along + cosine * across), dim=1)


def ellipse_strength(
    positions: torch.Tensor, einstein_radius: torch.Tensor, e1: torch.Tensor, e2: torch.Tensor
) -> torch.Tensor:
    """Strength k = ψ/r of the singular isothermal ellipsoid [arcsec], shape (N, ...): it has no slope in r.

    Its potential is homogeneous of degree 1, so that ψ = θ·α and k = α·(x, y)/r. Arguments as for
    `ellipse_deflection`; 0 at the centre itself, where it has no value.
    """
    alpha = ellipse_deflection(positions, einstein_radius, e1, e2)
    return (alpha * direction(positions)).sum(1)


def shear_deflection(positions: torch.Tensor, gamma1: torch.Tensor, gamma2: torch.Tensor) -> torch.Tensor:
    """External shear about the centre: α = (γ₁ x + γ₂ y, γ₂ x − γ₁ y) [arcsec], shape of `positions`.

    Parameters
    ----------
    positions : torch.Tensor, shape (N, 2, ...)
        From the centre of the lens [arcsec].
    gamma1, gamma2 : torch.Tensor, shape (N,)
        Of ψ = ½ γ₁ (x² − y²) + γ₂ x y.
    """
    g1, g2 = _over(gamma1, positions), _over(gamma2, positions)
    x, y = positions[:, 0], positions[:, 1]
    return torch.stack((g1 * x + g2 * y, g2 * x - g1 * y), dim=1)


def shear_strength(positions: torch.Tensor, gamma1: torch.Tensor, gamma2: torch.Tensor) -> torch.Tensor:
    """Strength k = ψ/r of external shear [arcsec], shape (N, ...); arguments as for `shear_deflection`."""
    unit = direction(positions)
    g1, g2 = _over(gamma1, positions), _over(gamma2, positions)
    angular = 0.5 * g1 * (unit[:, 0] ** 2 - unit[:, 1] ** 2) + g2 * unit[:, 0] * unit[:, 1]
    return radius(positions) * angular


def _over(parameter: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """One number per image, to go with one component of the positions."""
    return parameter.reshape(-1, *(1,) * (positions.ndim - 2))


def _over_root(function: object, sign: float, argument: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
    """f(t c)/t for f = arcsin (sign +1) or arcsinh (−1) and t² = `square`, by its series where t² is small."""
    small = square < NEARLY_ROUND
    t = torch.sqrt(torch.where(small, 1.0, square))
    c = torch.where(small, 0.0, argument)
    exact = function(t * c) / t  # type: ignore[operator]
    z = sign * square * argument**2
    series = argument * (
        1.0 + z * (1 / 6 + z * (3 / 40 + z * (15 / 336 + z * (105 / 3456 + z * 945 / 42240))))
    )
    return torch.where(small, series, exact)
