"""Networks that take noise off and leave grid and PSF alone.

This file holds manifests only and imports neither numpy nor torch: ``lensproc plugins list`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import DataFile, Manifest, Option, Tolerance
from lensproc.contract.weights import weights_option

lensproc_api = 1

SIGMAS = ("0.1", "0.2", "0.3", "0.4")
"""Noise that the networks of fixed noise are for, in units of the range of the noise-free image."""
SISR = "He et al. 2016, CVPR, 770; Shi et al. 2016, CVPR, 1874"


def _sigma_option() -> Option:
    text = "noise that the weights are for, as a part of the range of the noise-free image"
    return Option("sigma", "str", "0.1", text, choices=SIGMAS)


LENS_DENOISE = Manifest(
    id="lens-denoise",
    kind="enhance",
    factory="lensproc_denoise.lens_denoise:stage",
    training="lensproc_denoise.lens_denoise:training",
    summary="denoising by a network that is told the noise of every pixel, with its own errors",
    citation="Zhang, Zuo & Zhang 2018, IEEE Trans. Image Process. 27, 4608; Ronneberger et al. 2015, MICCAI, 234",
    options=(weights_option(),),
    normalisation="noise",
    multiple_of=4,
    minimum_size=16,
    halo=64,
    tolerance=Tolerance(flux=0.005, centroid=0.02),
    weights=(
        DataFile(
            "weights/lens-denoise.safetensors",
            "6a5d91f242d8f6ca6636169d020446b48e7ea9fc38240e6b6d039600094f6b73",
        ),
    ),
    calibration=DataFile(
        "weights/lens-denoise.calibration.json",
        "6a6bd8fec5d8035621666b8583eb2b32fdc2b29004c403fd42a019c3cef6ef01",
    ),
)

DENOISER = Manifest(
    id="denoiser",
    kind="enhance",
    factory="lensproc_denoise.denoiser:stage",
    training="lensproc_denoise.denoiser:training",
    summary="denoising by a residual network for one level of noise",
    citation=SISR,
    options=(_sigma_option(), weights_option()),
    normalisation="range",
    halo=29,
    tolerance=Tolerance(flux=0.05, centroid=0.1),
)

DENOISED_SISR = Manifest(
    id="denoised-sisr",
    kind="enhance",
    factory="lensproc_denoise.denoised_sisr:stage",
    training="lensproc_denoise.denoised_sisr:training",
    summary="a frozen denoiser before a residual network that doubles the sampling",
    citation=SISR,
    options=(_sigma_option(), weights_option()),
    scale=2,
    normalisation="range",
    output_psf=0.3,
    halo=59,
    tolerance=Tolerance(flux=0.05, centroid=0.1),
)


@hookimpl
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over the manifests of this package."""
    for manifest in (LENS_DENOISE, DENOISER, DENOISED_SISR):
        register(manifest)
