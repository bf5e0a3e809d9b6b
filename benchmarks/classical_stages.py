"""What the stages without weights do to point sources beside a ring: flux, position, PSNR, noise, time.

Scenes are drawn from formulae: an Einstein ring of uneven brightness and five point sources of known flux, an
effective Gaussian PSF of 3 px, white noise. The truth is the same sky with a PSF of 1.5 px on a
grid twice as fine (of 3 px and on the same grid for stages that keep it).

Usage: python benchmarks/classical_stages.py [--scenes 24] [--correlated] [STAGE[,option=value]…]
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lensproc.contract.registry import Registry, build_stage, load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.cutout import PSF
from lensproc.nn.psf import SIGMA_PER_FWHM, gaussian_psf

SIDE, FWHM = 64, 3.0
SNRS = (10.0, 20.0, 35.0, 50.0, 100.0)
OVERSAMPLING = 12
DEFAULT = ["bicubic", "lanczos", "richardson-lucy", "starlet", "nlm", "wavelet"]
Array = NDArray[np.float64]


def positions(rng: np.random.Generator) -> Array:
    """Zero-based (x, y) of the sources [px]: on the sky and on the ring, at least 2.5 FWHM apart."""
    placed: list[tuple[float, float]] = []
    while len(placed) < len(SNRS):
        x, y = rng.uniform(8, SIDE - 9, 2)
        if all(math.hypot(x - a, y - b) > 4.0 * FWHM for a, b in placed):
            placed.append((x, y))
    return np.array(placed)


def render(points: Array, fluxes: Array, ring: Array, fwhm: float, scale: int) -> Array:
    """Surface brightness at pixel centres of a grid `scale` times finer, for an effective PSF of `fwhm` [px]."""
    sigma = fwhm * SIGMA_PER_FWHM
    centres = (np.arange(SIDE * scale) + 0.5) / scale - 0.5
    image = np.zeros((SIDE * scale, SIDE * scale))
    for (x, y), flux in zip(points, fluxes, strict=True):
        row = np.exp(-0.5 * ((centres - x) / sigma) ** 2)
        column = np.exp(-0.5 * ((centres - y) / sigma) ** 2)
        image += flux / (2.0 * math.pi * sigma**2) * np.outer(column, row)
    blurred = gaussian_filter(ring, sigma * OVERSAMPLING, mode="nearest")
    block = OVERSAMPLING // scale
    first = block // 2
    # an even block has its centre between two fine pixels: their mean is the value there
    mean = 0.25 * sum(
        blurred[first - 1 + dy :, first - 1 + dx :][::block, ::block] for dy in (0, 1) for dx in (0, 1)
    )
    return image + mean[: SIDE * scale, : SIDE * scale]


def ring_of(rng: np.random.Generator) -> Array:
    """Intrinsic ring on the oversampled grid, its peak about 10σ after blurring."""
    centres = (np.arange(SIDE * OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5 - (SIDE - 1) / 2
    x, y = np.meshgrid(centres, centres)
    angle, phase = np.arctan2(y, x), rng.uniform(0, 2 * math.pi)
    radius = np.hypot(x, y / rng.uniform(0.75, 1.0))
    brightness = (
        0.3
        + np.exp(3.0 * (np.cos(angle - phase) - 1))
        + 0.6 * np.exp(8.0 * (np.cos(angle - phase - 2.5) - 1))
    )
    return 25.0 * brightness * np.exp(-0.5 * ((radius - rng.uniform(12, 18)) / 0.6) ** 2)


def aperture(image: Array, x: float, y: float, scale: int) -> tuple[float, float, float]:
    """Flux in a circle of 1.5 FWHM [input px²], and the windowed centroid [input px]."""
    centres = (np.arange(image.shape[0]) + 0.5) / scale - 0.5
    gx, gy = np.meshgrid(centres, centres)
    inside = np.hypot(gx - x, gy - y) <= 1.5 * FWHM
    cx, cy = x, y
    for _ in range(8):
        window = np.exp(-0.5 * ((gx - cx) ** 2 + (gy - cy) ** 2) / (FWHM * SIGMA_PER_FWHM) ** 2) * inside
        total = (window * image).sum()
        cx += 2.0 * (window * image * (gx - cx)).sum() / total
        cy += 2.0 * (window * image * (gy - cy)).sum() / total
    return float(image[inside].sum() / scale**2), float(cx), float(cy)


def noise(rng: np.random.Generator, correlated: bool) -> Array:
    """Noise of unit variance; with neighbours correlated by one half, as in drizzled images, if asked for."""
    white = rng.normal(size=(SIDE, SIDE))
    if not correlated:
        return white
    smoothed = gaussian_filter(white, 0.6, mode="wrap")
    return np.asarray(smoothed / smoothed.std())


def measure(text: str, registry: Registry, scenes: int, correlated: bool) -> str:
    """Run one stage over the scenes and sum up in a line."""
    name, *pairs = text.split(",")
    manifest = registry.manifest(name)
    options = manifest.resolve_options(dict(pair.split("=") for pair in pairs))
    scale = manifest.scale_for(options)
    width = FWHM if manifest.output_psf == "same" else FWHM / 2
    wanted = FWHM / 2 if scale > 1 else width
    stage = build_stage(manifest, options)
    stage.load(torch.device("cpu"), torch.float32)
    rng = np.random.default_rng(20)
    seconds, errors, skies = [], [], []
    ratios: list[list[float]] = [[] for _ in SNRS]
    offsets: list[list[float]] = [[] for _ in SNRS]
    for _ in range(scenes):
        points, ring = positions(rng), ring_of(rng)
        fluxes = np.array(SNRS) * 2.0 * math.sqrt(math.pi) * FWHM * SIGMA_PER_FWHM
        image = render(points, fluxes, ring, FWHM, 1) + noise(rng, correlated)
        batch = Batch(
            torch.from_numpy(image.astype(np.float32))[None, None],
            None,
            torch.zeros((1, 1, SIDE, SIDE), dtype=torch.bool),
            (Item(psf=PSF(FWHM, gaussian_psf(FWHM)), noise=(1.0,)),),
        )
        clock = time.process_time()
        with torch.inference_mode():
            output = stage.apply(batch).images
        seconds.append(time.process_time() - clock)
        assert output is not None
        result = output[0, 0].numpy().astype(np.float64)
        truth = render(points, fluxes, ring, wanted, scale)
        errors.append(np.mean((result - truth) ** 2) / truth.max() ** 2)
        skies.append(result[truth < 0.05].std())
        without = render(points, 0 * fluxes, ring, width, scale)
        alone = render(points, fluxes, 0 * ring, width, scale)
        for i, (x, y) in enumerate(points):
            flux, cx, cy = aperture(result - without, x, y, scale)
            ratios[i].append(flux / aperture(alone, x, y, scale)[0])
            offsets[i].append(math.hypot(cx - x, cy - y))
    flux_text = " ".join(f"{np.median(v):.2f}±{np.std(v) / math.sqrt(len(v)):.2f}" for v in ratios)
    offset_text = " ".join(f"{np.median(v):.3f}" for v in offsets)
    return (
        f"{text:32s} {-10 * math.log10(np.mean(errors)):6.1f}   {flux_text}   {offset_text}   "
        f"{np.mean(skies):5.2f} {1e3 * np.median(seconds):8.1f}"
    )


def interpolation_against_torch() -> str:
    """Time of `bicubic` against ``torch.nn.functional.interpolate`` on eight images of 75 px and one of 512 px."""
    import torch.nn.functional as F

    from lensproc_classical.interpolation import cubic_convolution, interpolate, phases

    weights, lines = phases(cubic_convolution, 2, 2), []
    for shape in ((8, 1, 75, 75), (1, 1, 512, 512)):
        images, times = torch.randn(shape), []
        for function in (
            lambda images=images: interpolate(images, weights),
            lambda images=images: F.interpolate(images, scale_factor=2, mode="bicubic"),
        ):
            spent = []
            for _ in range(50):
                clock = time.process_time()
                function()
                spent.append(time.process_time() - clock)
            times.append(1e3 * float(np.median(spent)))
        lines.append(f"{shape}: {times[0]:.2f} ms, torch {times[1]:.2f} ms")
    return "bicubic at scale 2: " + "; ".join(lines)


def main() -> None:
    """Print one line per stage."""
    parser = argparse.ArgumentParser(description="Measure the stages without weights on drawn scenes.")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--correlated", action="store_true", help="neighbouring pixels correlated by a half")
    parser.add_argument("stages", nargs="*", default=DEFAULT, metavar="STAGE[,option=value]")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    registry = load_registry()
    print(f"PSNR [dB], flux out/in at SNR {SNRS}, median offset [px] at these SNR, sky [σ], ms per image")
    for text in arguments.stages:
        print(measure(text, registry, arguments.scenes, arguments.correlated), flush=True)
    print(interpolation_against_torch())


if __name__ == "__main__":
    main()
