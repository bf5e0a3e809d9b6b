"""Classical enhancers, which need no trained weights: the baselines every network is held against.

This file holds manifests only and imports neither numpy nor torch: ``lensproc plugins list`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import DataFile, Manifest, Option, Tolerance

lensproc_api = 1


def _scale(default: int, minimum: int, maximum: int) -> Option:
    text = f"output pixels per input pixel, {minimum} to {maximum}"
    return Option("scale", "int", default, text, minimum, maximum)


def _calibration(stage: str, sha256: str) -> DataFile:
    return DataFile(f"weights/{stage}.calibration.json", sha256)


BICUBIC = Manifest(
    id="bicubic",
    kind="enhance",
    factory="lensproc_classical.interpolation:bicubic",
    summary="cubic convolution onto a finer grid (a = -1/2)",
    citation="Keys 1981, IEEE Trans. Acoust. Speech Signal Process. 29, 1153",
    options=(_scale(2, 2, 4),),
    scale=(2, 3, 4),
    halo=2,
    tolerance=Tolerance(flux=1e-3, centroid=1e-3),
    calibration=_calibration("bicubic", "2b3bf7d7d53bd93a4956eb410adda88d1c292e96483d0144a1e1721ee2ae250f"),
)

LANCZOS = Manifest(
    id="lanczos",
    kind="enhance",
    factory="lensproc_classical.interpolation:lanczos",
    summary="Lanczos-3 interpolation onto a finer grid",
    citation="Duchon 1979, J. Appl. Meteorol. 18, 1016",
    options=(_scale(2, 2, 4),),
    scale=(2, 3, 4),
    halo=3,
    tolerance=Tolerance(flux=1e-3, centroid=1e-3),
    calibration=_calibration("lanczos", "7051c2ebf9b41be91902fe4870645094b6fb4d7f9cd33af13e48645910c4e0b4"),
)


RICHARDSON_LUCY = Manifest(
    id="richardson-lucy",
    kind="enhance",
    factory="lensproc_classical.richardson_lucy:richardson_lucy",
    summary="Richardson-Lucy deconvolution by the whole PSF (scikit-image)",
    citation="Richardson 1972, JOSA 62, 55; Lucy 1974, AJ 79, 745",
    options=(
        _scale(2, 1, 2),
        Option("iterations", "int", 20, "number of iterations: more is sharper and noisier", 1, 500),
    ),
    scale=(1, 2),
    normalisation="noise",
    output_psf=0.0,
    halo="global",
    tolerance=Tolerance(flux=0.01, centroid=0.02),
    calibration=_calibration(
        "richardson-lucy", "5e3b40d4c77b1f75b4b264ddf2da8b08c17b5f70c636e3e24e1a6baf527978c2"
    ),
)

STARLET = Manifest(
    id="starlet",
    kind="enhance",
    factory="lensproc_classical.starlet:starlet",
    summary="sparse deconvolution on starlets to half the width of the PSF",
    citation="Michalewicz et al. 2023, JOSS 8, 5340; Starck & Murtagh 1994, A&A 288, 342",
    options=(
        _scale(2, 1, 2),
        Option("iterations", "int", 150, "steps of the solver", 1, 2000),
        Option("threshold", "float", 4.0, "significance of a starlet coefficient [sigma]", 0.0, 10.0),
    ),
    scale=(1, 2),
    normalisation="noise",
    output_psf=0.5,
    halo="global",
    tolerance=Tolerance(flux=0.01, centroid=0.01),
)

NLM = Manifest(
    id="nlm",
    kind="enhance",
    factory="lensproc_classical.denoise:nlm",
    summary="denoising by non-local means (scikit-image)",
    citation="Buades, Coll & Morel 2005, CVPR 2, 60",
    options=(
        Option(
            "strength", "float", 0.8, "decay of the weight with the difference of patches [sigma]", 0.1, 5.0
        ),
        Option("patch_size", "int", 5, "side of a patch [px]", 3, 9),
        Option("patch_distance", "int", 6, "how far away patches are compared [px]", 1, 15),
    ),
    normalisation="noise",
    halo=20,
    tolerance=Tolerance(flux=0.01, centroid=0.02),
    calibration=_calibration("nlm", "93e882c16e58518d37dba36113a1bf9cac6156639e3e7f1d5b2f7c214330185b"),
)

WAVELET = Manifest(
    id="wavelet",
    kind="enhance",
    factory="lensproc_classical.denoise:wavelet",
    summary="denoising by shrinking wavelet coefficients (scikit-image)",
    citation="Chang, Yu & Vetterli 2000, IEEE Trans. Image Process. 9, 1532",
    options=(
        Option("strength", "float", 1.0, "factor on the noise", 0.1, 5.0),
        Option("method", "str", "BayesShrink", "threshold rule", choices=("BayesShrink", "VisuShrink")),
    ),
    normalisation="noise",
    tolerance=Tolerance(flux=0.01, centroid=0.02),
    calibration=_calibration("wavelet", "c896daa4cd60e59c12be2c704717bcf225dda3556d8c51cfff5f6f61078dff62"),
)


@hookimpl
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over the manifests of this package."""
    for manifest in (BICUBIC, LANCZOS, RICHARDSON_LUCY, STARLET, NLM, WAVELET):
        register(manifest)
