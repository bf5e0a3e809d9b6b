"""Thin lenses on a grid of pixels: positions, potential, deflection, convergence, the lens equation.

Everything is in arcsec, batched, and differentiable in what describes the lens. A potential is written

    ψ(θ) = k(θ) r,    r = |θ|,

which is a singular isothermal sphere of Einstein radius k where k is constant, and any potential at all where k
varies. `nn.lensing_models` has the k of an ellipse and of shear, `nn.lensing_warp` moves light between planes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

Field = Callable[[torch.Tensor], torch.Tensor]
"""Positions (N, 2, ...) [arcsec] to values (N, ...), each from its own position alone."""

SMALLEST = 5
"""Pixels that a derivative on a grid needs along its axis."""
_AT_MINUS_1 = (5.0, -10.0, 10.0, -5.0, 1.0)
_AT_MINUS_2 = (15.0, -40.0, 45.0, -24.0, 5.0)


@dataclass(frozen=True)
class Grid:
    """Pixels on a plane of the sky, for each image of a batch.

    Parameters
    ----------
    height, width : int
        Sides [px].
    pixel_scale : torch.Tensor, shape (N,)
        Side of a pixel [arcsec].
    origin : torch.Tensor, shape (N, 2)
        Zero-based (x, y) of the position (0, 0) [px]: the centre of the lens. It need not lie on a pixel.
    """

    height: int
    width: int
    pixel_scale: torch.Tensor
    origin: torch.Tensor

    @classmethod
    def of(
        cls,
        height: int,
        width: int,
        pixel_scale: torch.Tensor,
        origin: torch.Tensor | Sequence[float] | None = None,
    ) -> Grid:
        """Make a grid; its dtype and device are those of `pixel_scale`.

        Parameters
        ----------
        height, width : int
            Sides [px].
        pixel_scale : torch.Tensor, shape (N,)
            Side of a pixel [arcsec].
        origin : tensor or sequence of float, shape (N, 2) or (2,), optional
            Where (0, 0) is [px]; by default the middle, ((width − 1)/2, (height − 1)/2), which lies on a pixel
            where a side is odd and between two where it is even.

        Raises
        ------
        ValueError
            For a `pixel_scale` of another shape, or that is not above 0.
        """
        if pixel_scale.ndim != 1 or not bool((pixel_scale > 0).all()):
            raise ValueError(f"pixel_scale must be above 0 and of shape (N,), got {pixel_scale}")
        place = ((width - 1) / 2, (height - 1) / 2) if origin is None else origin
        where = torch.as_tensor(place, dtype=pixel_scale.dtype, device=pixel_scale.device)
        return cls(height, width, pixel_scale, where.expand(len(pixel_scale), 2))

    def positions(self) -> torch.Tensor:
        """Positions (x, y) of the pixels' centres [arcsec], shape (N, 2, height, width)."""
        rows, columns = (
            torch.arange(side, dtype=self.pixel_scale.dtype, device=self.pixel_scale.device)
            for side in (self.height, self.width)
        )
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        return (torch.stack((x, y)) - self.origin[:, :, None, None]) * self.pixel_scale[:, None, None, None]

    def pixels(self, positions: torch.Tensor) -> torch.Tensor:
        """Zero-based pixel coordinates (x, y) of positions [arcsec], both of shape (N, 2, H, W)."""
        return positions / self.pixel_scale[:, None, None, None] + self.origin[:, :, None, None]


def radius(positions: torch.Tensor) -> torch.Tensor:
    """Distance r [arcsec] from the centre, shape (N, ...) of positions (N, 2, ...).

    Its gradient at the centre itself is 0, the mean over all directions.
    """
    square = (positions**2).sum(1)
    centre = square == 0
    return torch.where(centre, torch.zeros_like(square), torch.sqrt(torch.where(centre, 1.0, square)))


def direction(positions: torch.Tensor) -> torch.Tensor:
    """Return unit vectors (x, y)/r of positions (N, 2, ...); (0, 0) at the centre itself."""
    r = radius(positions)
    return positions / torch.where(r == 0, 1.0, r).unsqueeze(1)


def potential(strength: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """ψ = k r [arcsec²].

    Parameters
    ----------
    strength : torch.Tensor, shape (N, ...)
        k [arcsec].
    positions : torch.Tensor, shape (N, 2, ...)
        From the centre of the lens [arcsec].
    """
    return strength * radius(positions)


def sphere_deflection(strength: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """α = k (x, y)/r [arcsec]: the deflection without the terms in ∂k.

    Where k is constant this is the singular isothermal sphere (Schneider, Ehlers & Falco 1992, sect. 8.1.4); where
    it varies, each place is deflected as by a sphere of the strength that is found there, and α is the gradient of
    no potential.

    Parameters
    ----------
    strength : torch.Tensor, shape (N, ...)
        k [arcsec].
    positions : torch.Tensor, shape (N, 2, ...)
        From the centre of the lens [arcsec]. There α is 0.
    """
    return strength.unsqueeze(1) * direction(positions)


def deflection(strength: torch.Tensor, grid: Grid) -> torch.Tensor:
    """α = ∇(k r) = k (x, y)/r + r ∇k [arcsec], with ∇k by finite differences of fourth order.

    Parameters
    ----------
    strength : torch.Tensor, shape (N, H, W)
        k on the pixels of the grid [arcsec].
    grid : Grid
        Of at least 5 × 5 pixels.

    Returns
    -------
    torch.Tensor, shape (N, 2, H, W)
        x and y components, those of the pixel axes.

    Notes
    -----
    The kink of r at the centre is differentiated exactly, only k is assumed to be smooth.
    """
    positions = grid.positions()
    slope = torch.stack((derivative(strength, -1), derivative(strength, -2)), dim=1)
    slope = slope / grid.pixel_scale[:, None, None, None]
    return sphere_deflection(strength, positions) + radius(positions).unsqueeze(1) * slope


def convergence(deflection: torch.Tensor, pixel_scale: torch.Tensor) -> torch.Tensor:
    """κ = ½ ∇·α on a grid, by finite differences of fourth order.

    Parameters
    ----------
    deflection : torch.Tensor, shape (N, 2, H, W)
        α [arcsec].
    pixel_scale : torch.Tensor, shape (N,)
        Side of a pixel [arcsec].

    Returns
    -------
    torch.Tensor, shape (N, H, W)
        In units of the critical surface density. Within two pixels of a singular centre it is too low.
    """
    divergence = derivative(deflection[:, 0], -1) + derivative(deflection[:, 1], -2)
    return 0.5 * divergence / pixel_scale[:, None, None]


def derivative(values: torch.Tensor, axis: int) -> torch.Tensor:
    """Differentiate along an axis, per pixel: (f(−2) − 8 f(−1) + 8 f(1) − f(2)) / 12.

    Beyond the frame the values go on as the polynomial of degree 4 through the last five: at the edge the error is
    of the same order, some six times larger.

    Raises
    ------
    ValueError
        Where the axis has fewer than five pixels.
    """
    f = values.movedim(axis, -1)
    if f.shape[-1] < SMALLEST:
        raise ValueError(f"a derivative needs {SMALLEST} pixels along its axis, got {f.shape[-1]}")
    begin, end = f[..., :SMALLEST], f[..., -SMALLEST:].flip(-1)
    before, after = (
        torch.stack([_weighted(e, w) for w in (_AT_MINUS_2, _AT_MINUS_1)], -1) for e in (begin, end)
    )
    g = torch.cat((before, f, after.flip(-1)), dim=-1)
    slope = (g[..., :-4] - g[..., 4:] + 8.0 * (g[..., 3:-1] - g[..., 1:-3])) / 12.0
    return slope.movedim(-1, axis)


def _weighted(values: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    return (values * values.new_tensor(weights)).sum(-1)


def gradient_of(field: Field, positions: torch.Tensor) -> torch.Tensor:
    """Gradient of a function by automatic differentiation; of a potential, its deflection α [arcsec].

    Parameters
    ----------
    field : callable
        Positions (N, 2, ...) to values (N, ...): differentiable, and each from its own position alone.
    positions : torch.Tensor, shape (N, 2, ...)
        Where [arcsec].

    Returns
    -------
    torch.Tensor, shape (N, 2, ...)
        Itself differentiable, where gradients are enabled.
    """
    keep = torch.is_grad_enabled()
    with torch.enable_grad():
        places = positions if positions.requires_grad else positions.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(field(places).sum(), places, create_graph=keep)
    return gradient


def convergence_of(field: Field, positions: torch.Tensor) -> torch.Tensor:
    """κ = ½ ∇²ψ of a potential by automatic differentiation, twice; arguments as for `gradient_of`."""
    with torch.enable_grad():
        places = positions if positions.requires_grad else positions.detach().requires_grad_()
        alpha = gradient_of(field, places)
        second = [torch.autograd.grad(alpha[:, i].sum(), places, create_graph=True)[0][:, i] for i in (0, 1)]
    found = 0.5 * (second[0] + second[1])
    return found if torch.is_grad_enabled() else found.detach()


def source_positions(positions: torch.Tensor, deflection: torch.Tensor) -> torch.Tensor:
    """β = θ − α, the lens equation; all of shape (N, 2, ...) [arcsec]."""
    return positions - deflection
