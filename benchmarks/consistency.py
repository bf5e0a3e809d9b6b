"""What the last step of ``lens-sr`` does: the network alone, the step, and the step that follows all light.

Simulated scenes that no training saw, against the noise-free truth behind a Gaussian of half the PSF's width. PSNR
has the peak of each truth as its range; forward chi² and peaks are those of the residual x - H y; fluxes are fits
of the PSF to H y less the noise-free image, at every point source, so that what they find is error alone.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lensproc.contract.lens_sr_stage import allowance
from lensproc.contract.registry import load_registry
from lensproc.contract.weights import weights_path
from lensproc.cutout import PSF
from lensproc.nn.consistency import Consistency, consistent, matched_significance
from lensproc.nn.forward import forward
from lensproc.nn.lens_sr import LensSR, bicubic, limits
from lensproc.nn.psf import matching_kernel
from lensproc.nn.weights import read_weights
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe
from lensproc.simulate.samples import sample

SEED = 77
SCENES = {
    "quasars": 40,
    "hsc": 16,
    "euclid-vis": 10,
    "quasars@jwst-nircam": 8,
    "sr-b": 16,
    "deeplense-1": 8,
    "blanks": 8,
}
FIELDS = ("image", "variance", "sharp2", "truth1", "psf", "fwhm", "sky", "noise")
BORDER = 10
HALF = 6
SNRS = ((3, 7), (7, 15), (15, 30), (30, 100))
WAYS: dict[str, Consistency | None] = {
    "network alone": None,
    "with the last step": Consistency(),
    "residual from 3 to 4 sigma": Consistency(residual=(3.0, 4.0)),
    "following all light": Consistency(light=(3.0, 5.0)),
}


@dataclass(frozen=True)
class Case:
    """One scene in units of its noise, ready for the network."""

    recipe: str
    image: torch.Tensor
    variance: torch.Tensor
    truth: NDArray[np.float32]
    blurred: NDArray[np.float32]
    psf: torch.Tensor
    kernel: torch.Tensor
    fwhm: torch.Tensor
    points: list[tuple[float, float, float]]


def cases() -> list[Case]:
    """Simulate the scenes."""
    made = []
    for recipe, number in SCENES.items():
        for index in range(number):
            sim = simulate(load_recipe(recipe), SEED, "val", index)
            fields = sample(sim, FIELDS)
            noise, sky = np.float32(fields["noise"]), np.float32(fields["sky"])
            psf = PSF(fields["fwhm"], fields["psf"])
            kernel = matching_kernel(psf, 0.5, 2)
            assert kernel is not None
            frame = sim.exposure.frame
            points = [(*frame.pixel(p.x, p.y), p.flux * sim.factor / float(noise)) for p in sim.scene.points]
            made.append(
                Case(
                    recipe,
                    _batch((fields["image"] - sky) / noise),
                    _batch(fields["variance"] / noise**2),
                    (fields["sharp2"] - sky) / noise,
                    (fields["truth1"] - sky) / noise,
                    torch.from_numpy(np.array(fields["psf"]))[None],
                    torch.from_numpy(np.array(kernel))[None],
                    torch.tensor([fields["fwhm"]]),
                    points,
                )
            )
    return made


def _batch(image: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.array(image, np.float32))[None, None]


def network_of(path: Path | None) -> LensSR:
    """Load the weights that ship, or those of a file."""
    manifest = load_registry().manifest("lens-sr")
    weights = read_weights(path or weights_path(manifest, manifest.defaults))
    network = LensSR(**weights.metadata["network"])
    network.load_state_dict(weights.state)
    return network.eval()


def fit(case: Case, error: NDArray[np.float32], x: float, y: float) -> tuple[float, float]:
    """Flux of a PSF and a constant fitted to `error` at a place, and its photon error for white noise."""
    from scipy.ndimage import shift

    column, row = round(x), round(y)
    window = np.s_[row - HALF : row + HALF + 1, column - HALF : column + HALF + 1]
    stamp = shift(case.psf[0].numpy(), (y - row, x - column), order=3)
    middle = stamp.shape[0] // 2
    stamp = stamp[middle - HALF : middle + HALF + 1, middle - HALF : middle + HALF + 1]
    weight = 1.0 / case.variance[0, 0].numpy()[window].ravel()
    design = np.stack([stamp.ravel(), np.ones(stamp.size)], axis=1)
    covariance = np.linalg.inv(design.T @ (design * weight[:, None]))
    flux = (covariance @ (design.T @ (error[window].ravel() * weight)))[0]
    return float(flux), math.sqrt(covariance[0, 0])


def measure(scenes: list[Case], enhance: Callable[[Case], torch.Tensor], half_width: bool = True) -> None:
    """Print what an enhancer does to the scenes; forward figures only where it gives half the width."""
    rows: dict[str, list[list[float]]] = {}
    fluxes = []
    for case in scenes:
        with torch.inference_mode():
            image = enhance(case)
            again = forward(image, case.kernel, 2, "surface brightness")
        error = image[0, 0].numpy() - case.truth
        residual = case.image - again
        inner = (residual / case.variance.sqrt())[..., 4:-4, 4:-4]
        filtered = matched_significance(residual, case.variance, case.psf)[..., 6:-6, 6:-6]
        scatter = 1.4826 * float((filtered - filtered.median()).abs().median())
        rows.setdefault(case.recipe, []).append(
            [
                -10.0 * math.log10(float((error**2).mean()) / float(case.truth.max()) ** 2),
                float((inner**2).mean()),
                float(filtered.abs().max()) / max(1.0, scatter),
                float(error.std()),
            ]
        )
        wrong = again[0, 0].numpy() - case.blurred
        copied = case.image[0, 0].numpy() - case.blurred
        side = case.image.shape[-1]
        for x, y, flux in case.points:
            if min(x, y) > BORDER and max(x, y) < side - BORDER:
                mine, expected = fit(case, wrong, x, y)
                fluxes.append((flux, mine, fit(case, copied, x, y)[0], expected))
    for recipe, values in rows.items():
        psnr, chi2, peak, rms = np.median(np.array(values), axis=0)
        gain = f"PSNR {psnr:.2f} dB" if recipe != "blanks" else f"rms {rms:.3f} sigma"
        print(f"  {recipe:20s} {gain}" + (f", chi2 {chi2:.2f}, peak {peak:.1f} sigma" if half_width else ""))
    if not half_width:
        return
    table = np.array(fluxes)
    snr = table[:, 0] / table[:, 3]
    for low, high in SNRS:
        use = (snr >= low) & (snr < high)
        bias = 100.0 * np.median(table[use, 1] / table[use, 0])
        print(
            f"  SNR {low}-{high}: {use.sum()} sources, flux {bias:+.1f} %, scatter / photon error "
            f"{np.std(table[use, 1] / table[use, 3]):.2f} (input {np.std(table[use, 2] / table[use, 3]):.2f})"
        )


def main() -> None:
    """Measure bicubic and every way of the last step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="safetensors of lens-sr [default: those that ship]")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module=r"lenstronomy(\..*)?")
    scenes, network = cases(), network_of(options.weights)

    def enhancer(settings: Consistency | None) -> Callable[[Case], torch.Tensor]:
        def enhance(case: Case) -> torch.Tensor:
            image, _ = network(case.image, case.variance, case.fwhm[:, None, None, None])
            if settings is None:
                return image
            psfs = [PSF(float(case.fwhm), case.psf[0].numpy())]
            allowed = case.variance + allowance(case.image, psfs) ** 2
            held = limits(case.image, case.variance)
            return consistent(image, case.image, allowed, case.kernel, case.psf, case.fwhm, 2, settings, held)

        return enhance

    print("bicubic")
    measure(scenes, lambda case: bicubic(case.image), half_width=False)
    for name, settings in WAYS.items():
        print(name)
        measure(scenes, enhancer(settings))


if __name__ == "__main__":
    main()
