"""Outputs of other systems on one ruler with ours: a real HSC cutout, its HST counterpart, what was made of it.

Run from the checkout: ``LENSPROC_DEEPLENSE_DATA=FOLDER python -m benchmarks.peers``, where FOLDER holds Raw.npy
(64², HSC), Gold.npy (128², HST) and peer_*.npy (128²). Prints the table of ``docs/peers.md``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from skimage.metrics import peak_signal_noise_ratio

from lensproc import Pipeline, read
from lensproc.cutout import PSF
from lensproc.engine.check_pair import CheckedPair, PairOptions, check_pair
from lensproc.fits.options import ReadOptions
from lensproc.nn.forward import forward_image
from lensproc.nn.psf import SIGMA_PER_FWHM, OutputPSF, gaussian_kernel, matching_kernel
from lensproc.qc.forced import ForcedFit, PointSpread
from lensproc.qc.pair import side_by_side

Array = NDArray[np.float64]

FOLDER = Path(os.environ.get("LENSPROC_DEEPLENSE_DATA", "../shared/data/deeplense"))
SCALE = 2
GOLD_FWHM = 1.2
"""FWHM of HST at F814W [Gold px]: 0.10 arcsec on pixels of half HSC's 0.168 arcsec."""
SOURCES = {"main": (64.8, 62.6), "companion": (52.1, 77.7)}
"""Where the two brightest sources of Gold are [Gold px], from fits to Gold alone."""
DATA_RANGE = 1.0
"""For PSNR, in the unit of Gold, whose maximum is 1.02."""
KEYS = ("QASTAT", "QAFLX", "QABKG", "QASHFT", "QACHI2", "QACHIP", "QARHO1")
COUNTS = ("QANIN", "QANOUT", "QANMAT", "QANLOST", "QANNEW", "QANHAL")


@dataclass(frozen=True)
class Subject:
    """An image made of Raw, with the PSF it is taken to have."""

    name: str
    image: Array
    output_psf: OutputPSF


def load(path: Path) -> Array:
    """Pixels of an array file, its axes of length 1 dropped."""
    return np.load(path).squeeze().astype(np.float64)


def blur_of(raw: Array, gold: Array) -> float:
    """FWHM of Raw [Raw px]: Gold's, widened by the Gaussian that brings Gold nearest to Raw."""

    def misfit(sigma: float) -> float:
        back = forward_image(gold, gaussian_kernel(sigma**2), SCALE, "surface brightness")
        return fit_scale(raw, back.astype(np.float64))[2]

    sigma = minimize_scalar(misfit, bounds=(0.5, 6.0), method="bounded").x
    return float(np.hypot(sigma / SIGMA_PER_FWHM, GOLD_FWHM) / SCALE)


def fit_scale(raw: Array, back: Array) -> tuple[float, float, float]:
    """Factor and pedestal that bring `back` nearest to Raw by least squares, and the mean square that is left."""
    design = np.stack([back.ravel(), np.ones(back.size)], axis=1)
    (factor, pedestal), rest, _, _ = np.linalg.lstsq(design, raw.ravel())
    return float(factor), float(pedestal), float(rest[0] / raw.size)


def subjects(raw_file: Path, options: ReadOptions, ratio: float) -> list[Subject]:
    """Gold itself, interpolations and Richardson-Lucy of lensproc, and the peers."""
    found = [Subject("Gold", load(FOLDER / "Gold.npy"), ratio)]
    (cutout,) = read(str(raw_file), options)
    for stage in ("bicubic", "lanczos", "richardson-lucy"):
        with Pipeline([stage], checks="none") as pipeline:
            (result,) = pipeline.run([cutout])
        found.append(Subject(stage, result.image.data.astype(np.float64), result.output_psf))
    peers = sorted(FOLDER.glob("peer_*.npy"))
    return found + [Subject(path.stem.removeprefix("peer_"), load(path), ratio) for path in peers]


def forced(result: CheckedPair) -> dict[str, tuple[float, float]]:
    """Flux of the two sources of Gold on H(output), and its photon error on Raw."""
    pair = side_by_side(result.enhanced)
    x, y = ((np.array(list(SOURCES.values())) + 0.5) / SCALE - 0.5).T
    fit = ForcedFit(PointSpread(pair.psf), x, y, pair.noise)
    seen = fit.fluxes(pair.hy)
    return {name: (float(seen.flux[i]), float(seen.error[i])) for i, name in enumerate(SOURCES)}


def main() -> int:
    """Print the table."""
    if not (FOLDER / "Raw.npy").is_file():
        print(f"no Raw.npy in {FOLDER}; set LENSPROC_DEEPLENSE_DATA", file=sys.stderr)
        return 1
    raw, gold = load(FOLDER / "Raw.npy"), load(FOLDER / "Gold.npy")
    fwhm = blur_of(raw, gold)
    ratio = GOLD_FWHM / SCALE / fwhm
    print(f"FWHM of Raw {fwhm:.2f} px; PSF of Gold and of the peers {ratio:.3f} of that\n")
    options = ReadOptions(psf=f"{fwhm:.3f}px", pixel_units="surface brightness")
    with tempfile.TemporaryDirectory() as folder:
        raw_file = Path(folder, "raw.fits")
        fits.writeto(raw_file, raw.astype(np.float32))
        rows = [row_of(s, raw, raw_file, options, fwhm) for s in subjects(raw_file, options, ratio)]
    scale, truth = rows[0][1], rows[0][2]
    names = ["", "factor", "PSNR", *SOURCES, *KEYS, "in/out/matched/lost/new/invented"]
    print(f"| {' | '.join(names)} |\n|{' --- |' * len(names)}")
    for subject, (factor, pedestal), fluxes, result in rows:
        in_gold_units = (factor * subject.image + pedestal - scale[1]) / scale[0]
        psnr = "" if subject.name == "Gold" else f"{psnr_of(gold, in_gold_units):.1f}"
        parts = [f"{fluxes[n][0] / truth[n][0]:.2f} ± {fluxes[n][1] / truth[n][0]:.2f}" for n in SOURCES]
        qa = result.enhanced.qa
        values = [v.value if isinstance(v.value, str) else f"{v.value:.2f}" for v in (qa[k] for k in KEYS)]
        counts = " / ".join(str(qa[key].value) for key in COUNTS)
        print(f"| {' | '.join([subject.name, f'{factor:.2f}', psnr, *parts, *values, counts])} |")
    print()
    for subject, _, _, result in rows:
        found = result.enhanced.sources.columns
        told = [
            f"({x:.1f}, {y:.1f}) {verdict} {snr:.1f}"
            for x, y, verdict, snr in zip(
                found["x"], found["y"], found["verdict"], found["snr_forced"], strict=True
            )
        ]
        print(f"{subject.name}: {'; '.join(told)}")
    return 0


def psnr_of(gold: Array, image: Array) -> float:
    """PSNR [dB] at the fixed data range."""
    return float(peak_signal_noise_ratio(gold, image, data_range=DATA_RANGE))


def row_of(
    subject: Subject, raw: Array, raw_file: Path, options: ReadOptions, fwhm: float
) -> tuple[Subject, tuple[float, float], dict[str, tuple[float, float]], CheckedPair]:
    """Bring a subject to the scale of Raw through its H, and check it as a file."""
    kernel = matching_kernel(PSF(fwhm), subject.output_psf, SCALE)
    back = forward_image(subject.image, kernel, SCALE, "surface brightness").astype(np.float64)
    factor, pedestal, _ = fit_scale(raw, back)
    path = raw_file.with_name(f"{subject.name}.fits")
    fits.writeto(path, (factor * subject.image + pedestal).astype(np.float32))
    chosen = PairOptions(subject.output_psf, "surface brightness", SCALE)
    (result,) = check_pair(str(raw_file), str(path), options, chosen)
    return subject, (factor, pedestal), forced(result), result


if __name__ == "__main__":
    sys.exit(main())
