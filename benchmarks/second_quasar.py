"""The second quasar: denoisers that win in PSNR and lose the fainter source, and what the checks say of it.

Run from the checkout: ``python -m benchmarks.second_quasar [--number N]``. Prints the table of
``docs/second-quasar.md``. Scenes of 64 px, FWHM 3 px, white noise: a lens, its ring, and two quasar images, the
brighter of SNR 50.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio

from lensproc import Pipeline
from lensproc.cutout import PSF, Cutout, Resolved
from lensproc.enhanced import Enhanced
from lensproc.qc.calibration import measure_calibration
from lensproc.qc.forced import ForcedFit, PointSpread
from lensproc.qc.pair import side_by_side
from lensproc.qc.quick import quick_checks
from lensproc.qc.thresholds import SEPARATION
from tests.qc.scenes import Scene, bicubic, observe, quasar_scene

DATA_RANGE = 100.0
"""For PSNR, in units of the sky noise of an input pixel; the same for every scene."""
BRIGHTER = 50.0
BLUR = 1.5
"""Sigma of the strong Gaussian denoiser [input px]."""
SNRS = (10.0, 15.0, 20.0)
CHAINS: dict[str, tuple[str, dict[str, object]]] = {
    "bicubic": ("bicubic", {}),
    "non-local means, 0.8 (default)": ("nlm,bicubic", {}),
    "non-local means, 1.5": ("nlm,bicubic", {"nlm.strength": 1.5}),
    "non-local means, 2.5": ("nlm,bicubic", {"nlm.strength": 2.5}),
    "wavelet, BayesShrink (default)": ("wavelet,bicubic", {}),
    "wavelet, VisuShrink": ("wavelet,bicubic", {"wavelet.method": "VisuShrink"}),
}
"""What is compared: stages and their settings by the name in the table."""
Enhance = Callable[[Sequence[Cutout]], list[Enhanced]]


@dataclass(frozen=True)
class Outcome:
    """What became of one scene.

    Parameters
    ----------
    psnr : float
        Against the noise-free truth of the same PSF [dB].
    flux : float
        Forced flux of the fainter quasar on H y over the true one.
    missing : float
        What the forced fit finds of it in x - H y, over its error.
    lost : bool
        The fainter quasar has the verdict LOST.
    residual : bool
        QACHIP is beyond its failing limit.
    status : str
        QASTAT.
    """

    psnr: float
    flux: float
    missing: float
    lost: bool
    residual: bool
    status: str


def gaussian_then_bicubic(cutouts: Sequence[Cutout]) -> list[Enhanced]:
    """Smooth strongly, then interpolate, claiming that the PSF is as before."""
    results = []
    for cutout in cutouts:
        smooth = bicubic(cutout.replace(data=gaussian_filter(cutout.data, BLUR))).image
        psf = cutout.psf.value
        if psf is not None:
            smooth = smooth.replace(psf=Resolved(PSF(2.0 * psf.fwhm), "as declared"))
        results.append(Enhanced(cutout, smooth, 2.0))
    return results


def outcome(scene: Scene, enhanced: Enhanced) -> Outcome:
    """Measure one checked scene; the fainter quasar is the second star."""
    per_pixel = enhanced.scale**2
    truth, image = scene.render(int(enhanced.scale)), enhanced.image.data.astype(np.float64) * per_pixel
    pair = side_by_side(enhanced)
    x, y, flux = np.array(scene.stars).T
    fit = ForcedFit(PointSpread(pair.psf), x, y, pair.noise)
    # the same fit on the noise-free truth: what the lens and the ring add to it cancels
    true = fit.fluxes((scene.render() - pair.noise.sky) / pair.noise.level).flux[1]
    seen = fit.fluxes(pair.hy).flux[1]
    left = fit.fluxes(pair.x - pair.hy)
    rows = enhanced.sources.columns
    near = np.hypot(rows["x"] - x[1], rows["y"] - y[1]) < SEPARATION * scene.fwhm
    chance = float(enhanced.qa["QACHIP"].description.rsplit("p=", 1)[1])
    return Outcome(
        float(peak_signal_noise_ratio(truth, image, data_range=DATA_RANGE)),
        float(1.0 + (seen - true) * pair.noise.level / flux[1]),
        float(left.flux[1] / left.error[1]),
        bool((rows["verdict"][near] == "LOST").any()),
        chance < 1e-5,
        str(enhanced.qa["QASTAT"].value),
    )


def scenes(snr: float, number: int, seed: int = 0) -> list[tuple[Scene, Cutout]]:
    """Scenes and their observations; the fainter quasar has SNR `snr` on white noise."""
    rng = np.random.default_rng([seed, int(snr)])
    found = []
    for _ in range(number):
        scene = quasar_scene(rng, (BRIGHTER, snr))
        found.append((scene, observe(scene, rng)))
    return found


def run_gaussian(pairs: Sequence[tuple[Scene, Cutout]]) -> list[Outcome]:
    """Smooth, check and measure."""
    calibration = measure_calibration(lambda blanks: [e.image for e in gaussian_then_bicubic(blanks)])
    outcomes = []
    for (scene, _), enhanced in zip(pairs, gaussian_then_bicubic([c for _, c in pairs]), strict=True):
        checked = quick_checks(enhanced, calibration)
        outcomes.append(
            outcome(
                scene,
                Enhanced(enhanced.original, enhanced.image, 2.0, qa=checked.qa, sources=checked.sources),
            )
        )
    return outcomes


def run_chain(pipeline: Pipeline, pairs: Sequence[tuple[Scene, Cutout]]) -> list[Outcome]:
    """Run stages with their checks, and measure."""
    outcomes = []
    for (scene, _), result in zip(pairs, pipeline.run([cutout for _, cutout in pairs]), strict=True):
        if not isinstance(result, Enhanced):
            raise result
        outcomes.append(outcome(scene, result))
    return outcomes


def row(snr: float, name: str, seen: Sequence[Outcome]) -> str:
    """Write one line of the table."""
    psnr = np.mean([one.psnr for one in seen])
    flux, missing = np.median([one.flux for one in seen]), np.median([one.missing for one in seen])
    lost, residual = sum(one.lost for one in seen), sum(one.residual for one in seen)
    failed = sum(one.status == "FAIL" for one in seen)
    told = f"{lost} | {residual} | {failed}"
    return f"| {snr:g} | {name} | {psnr:.1f} | {flux:.2f} | {missing:.1f} | {told} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=20, help="scenes per row")
    number = parser.parse_args().number
    pairs = {snr: scenes(snr, number) for snr in SNRS}
    outcomes: dict[float, dict[str, list[Outcome]]] = {snr: {} for snr in SNRS}
    for name, (stages, settings) in CHAINS.items():
        with Pipeline(stages, settings=settings) as pipeline:
            for snr in SNRS:
                outcomes[snr][name] = run_chain(pipeline, pairs[snr])
    for snr in SNRS:
        outcomes[snr][f"Gaussian of {BLUR} px"] = run_gaussian(pairs[snr])
    print(
        f"| SNR | denoiser, then bicubic | PSNR [dB] | flux | missing [σ] | LOST of {number} | QACHIP | FAIL |"
    )
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for snr in SNRS:
        for name, seen in outcomes[snr].items():
            print(row(snr, name, seen))


if __name__ == "__main__":
    main()
