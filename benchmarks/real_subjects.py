"""What the benchmarks of super-resolution on real data share: stages, PSFs fitted to stars, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.optimize import least_squares

from lensproc import Pipeline
from lensproc.cutout import Cutout
from lensproc.enhanced import Enhanced

Array = NDArray[np.float64]

PICTURES = Path(__file__).parents[1] / "docs" / "images"
STAMP = 33
"""Side of a fitted PSF [px]."""
HALF = 7
"""Half the side of what a star is fitted on [px]."""


def enhance(stage: str, cutouts: Sequence[Cutout], weights: str, checks: str = "quick") -> list[Enhanced]:
    """Run one stage on cutouts; `weights` are those of ``lens-sr``, empty for what ships."""
    settings = {"lens-sr.weights": weights} if stage == "lens-sr" and weights else {}
    with Pipeline([stage], settings=settings, checks=checks) as pipeline:
        results = pipeline.run(list(cutouts))
        found = []
        for result in results:
            if not isinstance(result, Enhanced):
                raise result
            found.append(result)
    return found


def fit_moffat(image: Array, x: float, y: float) -> tuple[float, float, float, float]:
    """Fit a round Moffat profile and a constant to a star: x, y, FWHM [px] and beta.

    Values at pixel centres: what is fitted is the effective PSF, its pixels included.
    """
    rows, columns = np.mgrid[round(y) - HALF : round(y) + HALF + 1, round(x) - HALF : round(x) + HALF + 1]
    seen = image[rows, columns]

    def misfit(p: Array) -> Array:
        return (p[2] * moffat(np.hypot(columns - p[0], rows - p[1]), p[4], p[5]) + p[3] - seen).ravel()

    start = [x, y, seen.max() - np.median(seen), np.median(seen), 3.0, 3.0]
    low, high = [x - 2, y - 2, 0.0, -np.inf, 1.0, 1.2], [x + 2, y + 2, np.inf, np.inf, 9.0, 20.0]
    found = least_squares(misfit, start, bounds=(low, high), x_scale=np.maximum(np.abs(start), 1e-3)).x
    return float(found[0]), float(found[1]), float(found[4]), float(found[5])


def moffat(radius: Array, fwhm: float, beta: float) -> Array:
    """Moffat profile of peak 1 (Moffat 1969, A&A 3, 455)."""
    core = fwhm / 2.0 / np.sqrt(2.0 ** (1.0 / beta) - 1.0)
    return np.asarray((1.0 + (radius / core) ** 2) ** -beta)


def moffat_image(fwhm: float, beta: float, side: int = STAMP) -> NDArray[np.float32]:
    """Moffat PSF at pixel centres, summing to 1."""
    steps = np.arange(side) - side // 2
    image = moffat(np.hypot(*np.meshgrid(steps, steps)), fwhm, beta)
    return np.asarray(image / image.sum(), np.float32)


def write_psf(path: Path, fwhm: float, beta: float) -> str:
    """Write a Moffat PSF as the file that ``--psf`` takes."""
    fits.writeto(path, moffat_image(fwhm, beta), overwrite=True)
    return str(path)


def fit_affine(
    truth: Array, image: Array, used: NDArray[np.bool_] | None = None
) -> tuple[Array, float, float]:
    """Factor and pedestal that bring `image` nearest to `truth` by least squares, and the image so changed."""
    chosen = np.ones(truth.shape, bool) if used is None else used
    design = np.stack([image[chosen], np.ones(chosen.sum())], axis=1)
    factor, pedestal = np.linalg.lstsq(design, truth[chosen])[0]
    return factor * image + pedestal, float(factor), float(pedestal)


def quality(result: Enhanced, keys: Iterable[str]) -> list[str]:
    """Quality keywords as text."""
    values = [result.qa[key].value for key in keys]
    return ["" if v is None else str(v) if isinstance(v, str | int) else f"{v:.3g}" for v in values]


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    print(f"\n| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def stretch(image: Array, sky: float, top: float, strength: float = 10.0) -> Array:
    """Arcsinh stretch: 0 at `sky`, 1 at `top`."""
    return np.asarray(np.arcsinh(strength * (image - sky) / (top - sky)) / np.arcsinh(strength))
