"""What denoisers leave of noise and of stars, on scenes that no network was trained on.

``surveys``: sealed quasar scenes and test scenes of HSC as they are, with their variance planes.
``levels``: images of [0, 1] with Gaussian noise of .1 .2 .3 .4 added; the networks of one noise are trained first
where the folder has none. ``table``: the same in one table, with the figure that the origin reported beside.

Flux is measured by paired injection: a fit of the PSF to E(x + star) - E(x), and the sum within 2 FWHM, over the
same on the star alone. PSNR is against the noise-free truth; its range is the largest value of the truth in the
set (1 for ``levels``).

Usage: python benchmarks/denoising_rows.py surveys [--scenes 40] [STAGE[,option=value]…]
       python benchmarks/denoising_rows.py levels|table [--scenes 24] [--budget 10] [-o FOLDER]
              [--page] [STAGE[,option=value]…]
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lensproc.config import StageSpec
from lensproc.cutout import Cutout
from lensproc.engine.enhancer import results_of
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.enhanced import Enhanced
from lensproc.evaluate.intervals import Measured, mean, median
from lensproc.evaluate.response import star_response
from lensproc.evaluate.scenes import Scene, recipe_of, scene, star_image, with_light
from lensproc.qc.forced import ForcedFit
from lensproc.qc.noise import Noise, measure_noise

Array = NDArray[np.float64]
Enhance = Callable[[Sequence[Cutout]], list[Enhanced]]

SURVEYS = ("sealed-quasars", "hsc")
LEVELS = ("sealed-sr-a", "sealed-common-test")
SIGMAS = ("0.1", "0.2", "0.3", "0.4")
SNRS = (5.0, 10.0, 20.0, 50.0)
REPORTED = {"raw": "8 dB at .4", "denoiser": "about 30.5 dB at .4"}
"""PSNR that the public report of ``denoiser`` gives, on other images (``recipes/denoiser-0.4-report.toml``)."""
PAGE = Path(__file__).parents[1] / "docs" / "denoising.md"
BORDER = 10
"""Stars are put no nearer to the edge than this [px]."""


def enhancer(text: str) -> Enhance:
    """Load a stage, ``ID`` or ``ID,option=value``; ``raw`` is the input itself."""
    name, *pairs = text.split(",")
    if name == "raw":
        return lambda cutouts: [Enhanced(original=cutout, image=cutout, scale=1.0) for cutout in cutouts]
    spec = StageSpec(name, dict(pair.split("=", 1) for pair in pairs))
    return results_of(Pipeline(PipelineConfig((spec,), checks="none", device="cpu", threads=1)))


def survey_scenes(recipe: str, number: int) -> Iterator[tuple[Scene, Cutout, Array, Array]]:
    """Scenes with their cutout, their noise-free truth and the 1σ noise of their pixels."""
    seed = recipe_of(recipe).seed or 20260107
    for index in range(number):
        made = scene(recipe, seed, index)
        exposure = made.sim.exposure
        sigma = np.sqrt(exposure.expected_variance.astype(np.float64))
        yield made, made.cutout, exposure.noise_free.astype(np.float64), sigma


def noisy_scenes(recipe: str, number: int, level: float) -> Iterator[tuple[Scene, Cutout, Array, Array]]:
    """Scenes of range [0, 1] with white noise added; the truth is the image without any noise."""
    seed = recipe_of(recipe).seed or 0
    for index in range(number):
        made = scene(recipe, seed, index)
        rng = np.random.default_rng([seed, index, round(10 * level)])
        noise = level * rng.normal(size=made.cutout.shape)
        cutout = made.cutout.replace(data=np.asarray(made.cutout.data + noise, np.float32), variance=None)
        yield made, cutout, made.sim.exposure.noise_free.astype(np.float64), np.full(noise.shape, level)


def star_place(made: Scene, cutout: Cutout) -> tuple[float, float]:
    """Place of a star, at least 2 FWHM from the point sources of the scene."""
    rng = np.random.default_rng([made.sim.seed, made.sim.index, 7])
    height, width = cutout.shape
    while True:
        x, y = rng.uniform(BORDER, width - 1 - BORDER), rng.uniform(BORDER, height - 1 - BORDER)
        if made.x.size == 0 or np.hypot(made.x - x, made.y - y).min() > 2.0 * made.fwhm:
            return float(x), float(y)


def noise_of(cutout: Cutout, fwhm: float) -> Noise:
    """Noise of a cutout, as the checks measure it."""
    noise = measure_noise(cutout, fwhm)
    if noise is None:
        raise ValueError(f"{cutout.source.file} has no noise")
    return noise


@dataclass(frozen=True)
class Figures:
    """What was measured of one denoiser on some scenes.

    Parameters
    ----------
    psnr_mean, psnr_of_mean : Measured
        Mean over images of the PSNR, and the PSNR of the mean MSE [dB].
    left : float
        Root of the mean squared error, in σ of the pixel.
    chi2, excess : float
        Of what was taken off: its variance over the noise's, and the correlation of neighbours less the noise's.
    flux : tuple of Measured
        Flux out over flux in by a fit, at the SNR of `SNRS`, medians.
    aperture : tuple of float
        The same within 2 FWHM.
    covered : float
        Share of pixels within 1.645 of the stage's own errors; NaN where it gives none.
    """

    psnr_mean: Measured
    psnr_of_mean: Measured
    left: float
    chi2: float
    excess: float
    flux: tuple[Measured, ...]
    aperture: tuple[float, ...]
    covered: float


def measure(enhance: Enhance, scenes: Sequence[tuple[Scene, Cutout, Array, Array]], peak: float) -> Figures:
    """Measure one denoiser on scenes; PSNR refers to the range `peak`."""
    errors, relative, chi2, excess, covered = [], [], [], [], []
    fits: list[list[float]] = [[] for _ in SNRS]
    sums: list[list[float]] = [[] for _ in SNRS]
    for made, cutout, truth, sigma in scenes:
        noise = noise_of(cutout, made.fwhm)
        x, y = star_place(made, cutout)
        error = float(ForcedFit(made.spread, np.array([x]), np.array([y]), noise).error[0]) * noise.level
        lights = [star_image(made, x, y, snr * error) for snr in SNRS]
        results = enhance([cutout, *(with_light(cutout, light) for light in lights)])
        image = results[0].image.data.astype(np.float64)
        errors.append(float(np.mean((image - truth) ** 2)))
        relative.append(float(np.mean(((image - truth) / sigma) ** 2)))
        residual = (cutout.data - image) / sigma
        chi2.append(float(np.mean(residual**2)))
        excess.append(lag_one(residual) - lag_one((cutout.data - truth) / sigma))
        if results[0].uncertainty is not None:
            covered.append(float(np.mean(np.abs(image - truth) <= 1.645 * results[0].uncertainty)))
        for i, (snr, light, result) in enumerate(zip(SNRS, lights, results[1:], strict=True)):
            difference = result.image.data.astype(np.float64) - image
            answer = star_response(difference, made.spread, x, y, snr * error, noise)
            # an undersampled PSF fits a star that lies between pixels badly, on the input already
            given = star_response(light, made.spread, x, y, snr * error, noise)
            fits[i].append(answer.flux_ratio / given.flux_ratio)
            sums[i].append(answer.aperture_ratio / given.aperture_ratio)
    squared = mean(np.array(errors))
    decibels = [10.0 * math.log10(peak**2 / value) for value in (squared.value, squared.high, squared.low)]
    return Figures(
        mean(np.array([10.0 * math.log10(peak**2 / value) for value in errors])),
        Measured(decibels[0], decibels[1], decibels[2], squared.n),
        math.sqrt(float(np.mean(relative))),
        float(np.mean(chi2)),
        float(np.mean(excess)),
        tuple(median(np.array(values)) for values in fits),
        tuple(float(np.nanmedian(values)) for values in sums),
        float(np.mean(covered)) if covered else math.nan,
    )


def row(
    name: str, enhance: Enhance, scenes: Sequence[tuple[Scene, Cutout, Array, Array]], peak: float
) -> str:
    """Measure one denoiser on the scenes and sum up in a line."""
    found = measure(enhance, scenes, peak)
    flux = " ".join(in_words(value, 3) for value in found.flux)
    aperture = " ".join(f"{value:.3f}" for value in found.aperture)
    coverage = "-" if math.isnan(found.covered) else f"{100 * found.covered:.0f}"
    return (
        f"| {name} | {in_words(found.psnr_mean, 2)} | {found.psnr_of_mean.value:.2f} | {found.left:.3f} "
        f"| {found.chi2:.3f} | {found.excess:+.3f} | {flux} | {aperture} | {coverage} |"
    )


def cell(found: Figures) -> str:
    """PSNR of the mean MSE, below it the flux kept at each SNR, both with 95 % intervals."""
    flux = ", ".join(in_words(value, 2) for value in found.flux)
    return f"{in_words(found.psnr_of_mean, 2)}<br>{flux}"


def in_words(value: Measured, digits: int) -> str:
    """Value with its 95 % interval."""
    return f"{value.value:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def lag_one(residual: Array) -> float:
    """Correlation of neighbouring pixels; 0 for no residual at all."""
    power = float(np.mean(residual**2))
    if power == 0.0:
        return 0.0
    along = np.mean(residual[:, 1:] * residual[:, :-1]), np.mean(residual[1:] * residual[:-1])
    return float(np.mean(along)) / power


def header() -> str:
    """Head of a table."""
    names = (
        "stage",
        "PSNR, mean of images [dB]",
        "PSNR of the mean MSE",
        "rms error [σ]",
        "χ² of x − y",
        "its lag-1 correlation over the noise's",
        f"flux by fit at SNR {', '.join(f'{snr:g}' for snr in SNRS)}",
        "flux within 2 FWHM",
        "pixels within 1.645 of the stage's own errors [%]",
    )
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def surveys(stages: Sequence[str], number: int) -> None:
    """Print a table per survey."""
    enhancers = {text: enhancer(text) for text in ("raw", *stages)}
    for recipe in SURVEYS:
        scenes = list(survey_scenes(recipe, number))
        peak = max(float(truth.max()) for _, _, truth, _ in scenes)
        print(f"\n{recipe}, {number} scenes, range {peak:.4g}\n\n{header()}", flush=True)
        for text, enhance in enhancers.items():
            print(row(text, enhance, scenes, peak), flush=True)


def trained(sigma: str, folder: Path, budget: float) -> Path:
    """Weights of the network for a noise; trained for `budget` minutes where the folder has none."""
    output = folder / f"denoiser-{sigma}"
    weights = output / "denoiser.safetensors"
    if not weights.is_file():
        command = ["train", "denoiser", "--recipe", f"denoiser-{sigma}", "--budget", f"{budget:g}"]
        where = ["--output", str(output), "--data", str(folder / "data"), "--jobs", "1"]
        subprocess.run([sys.executable, "-m", "lensproc.cli", *command, *where], check=True)
    return weights


def levels(stages: Sequence[str], number: int, folder: Path, budget: float) -> None:
    """Print a table per level of noise and set."""
    for sigma in SIGMAS:
        own = f"denoiser,sigma={sigma},weights={trained(sigma, folder, budget)}"
        enhancers = {text: enhancer(text) for text in ("raw", own, *stages)}
        for recipe in LEVELS:
            scenes = list(noisy_scenes(recipe, number, float(sigma)))
            print(f"\n{recipe}, noise {sigma}, {number} images, range 1\n\n{header()}", flush=True)
            for text, enhance in enhancers.items():
                print(row(text.partition(",weights")[0], enhance, scenes, 1.0), flush=True)


def one_table(stages: Sequence[str], number: int, folder: Path, budget: float) -> list[str]:
    """Print PSNR and flux kept for every level of noise, a line per set and stage, and return the lines."""
    own = {sigma: f"denoiser,sigma={sigma},weights={trained(sigma, folder, budget)}" for sigma in SIGMAS}
    heads = ("set", "stage", *(f"σ = {sigma}" for sigma in SIGMAS), "reported, other data")
    lines = [
        f"{number} images of each set; data range 1.",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]
    print("\n".join(lines), flush=True)
    for recipe in LEVELS:
        scenes = {sigma: list(noisy_scenes(recipe, number, float(sigma))) for sigma in SIGMAS}
        for text in ("raw", "denoiser", *stages):
            cells = [
                cell(measure(enhancer(own[sigma] if text == "denoiser" else text), scenes[sigma], 1.0))
                for sigma in SIGMAS
            ]
            words = (recipe.removeprefix("sealed-"), f"`{text}`", *cells, REPORTED.get(text, "–"))
            lines.append(f"| {' | '.join(words)} |")
            print(lines[-1], flush=True)
    return lines


def put_into_page(lines: Sequence[str]) -> None:
    """Replace what stands between the marks of the table in the page."""
    begin, end = "<!-- figures: denoising -->\n", "<!-- end: denoising -->"
    before, rest = PAGE.read_text("utf-8").split(begin)
    text = "\n".join(lines)
    PAGE.write_text(f"{before}{begin}\n{text}\n\n{end}{rest.split(end)[1]}", "utf-8")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description="Measure denoisers on scenes that no network was trained on."
    )
    parser.add_argument("what", choices=["surveys", "levels", "table"])
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--budget", type=float, default=10.0, help="minutes per network to be trained")
    parser.add_argument("-o", "--output", type=Path, default=Path("denoising-rows"), help="where they are")
    parser.add_argument("--page", action="store_true", help=f"put the table into {PAGE.name} too")
    parser.add_argument("stages", nargs="*", metavar="STAGE[,option=value]")
    arguments = parser.parse_intermixed_args()
    warnings.filterwarnings("ignore", module=r"lenstronomy(\..*)?")
    stages = arguments.stages or ["lens-denoise", "wavelet", "nlm"]
    if arguments.what == "surveys":
        surveys(stages, arguments.scenes)
    elif arguments.what == "table":
        lines = one_table(stages, arguments.scenes, arguments.output, arguments.budget)
        if arguments.page:
            put_into_page(lines)
    else:
        levels(stages, arguments.scenes, arguments.output, arguments.budget)


if __name__ == "__main__":
    main()
