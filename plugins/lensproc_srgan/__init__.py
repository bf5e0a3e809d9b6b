"""Networks that double the number of pixels along a side and learned from a discriminator too.

This file holds manifests only and imports neither numpy nor torch: ``lensproc plugins list`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import DataFile, Manifest, Option, Tolerance
from lensproc.contract.weights import weights_option

lensproc_api = 1

STRENGTH = Option(
    "strength",
    "float",
    1.0,
    "how much of the adversarial training to take: 0 for the weights learned by pixels, 1 for all",
    0.0,
    1.0,
)


def _generator(
    stage_id: str, halo: int, summary: str, citation: str, weights: str = "", calibration: str = ""
) -> Manifest:
    """Manifest of a generator of images of range [0, 1] that halves their PSF; SHA-256 of its files that ship."""
    return Manifest(
        id=stage_id,
        kind="enhance",
        factory=f"lensproc_srgan.stages:{stage_id}",
        training=f"lensproc_srgan.training:{stage_id}",
        summary=summary,
        citation=citation,
        options=(STRENGTH, weights_option()),
        scale=2,
        normalisation="range",
        output_psf=0.5,
        halo=halo,
        dtypes=("float32", "bfloat16"),
        generative=True,
        tolerance=Tolerance(flux=0.05, centroid=0.1),
        weights=(DataFile(f"weights/{stage_id}.safetensors", weights),) if weights else (),
        calibration=DataFile(f"weights/{stage_id}.calibration.json", calibration) if calibration else None,
    )


SRGAN = _generator(
    "srgan",
    42,
    "resnet-sisr trained against a discriminator, with losses that see point sources",
    "Ledig et al. 2017, CVPR, 105",
    "6f45862d34b6979342287c7085c4e2e18931388bead353c7691fdd952d019b75",
    "9656fa9a2dd2a74887178d98a6cdeff7fbfbed718a5a1d3c7b9743823c965044",
)

ESRGAN = _generator(
    "esrgan",
    124,
    "residual-in-residual dense blocks trained against a relativistic discriminator",
    "Wang et al. 2018, ECCVW, arXiv:1809.00219",
)

LENS_GAN = Manifest(
    id="lens-gan",
    kind="enhance",
    factory="lensproc_srgan.lens_gan:lens_gan",
    training="lensproc_srgan.lens_gan:task",
    summary="lens-sr trained against a discriminator that sees the input too, with losses that see point sources",
    citation="Mirza & Osindero 2014, arXiv:1411.1784",
    options=(
        STRENGTH,
        Option("consistency", "bool", True, "put back what the input measured and the network missed"),
        weights_option(),
    ),
    scale=2,
    normalisation="noise",
    output_psf=0.5,
    halo="global",
    dtypes=("float32", "bfloat16"),
    generative=True,
    tolerance=Tolerance(flux=0.05, centroid=0.1),
    weights=(
        DataFile(
            "weights/lens-gan.safetensors",
            "ca2e6fe52e012e3d8f78077a506bbd6601fddd516c8391d0688b68afe53824be",
        ),
    ),
    calibration=DataFile(
        "weights/lens-gan.calibration.json",
        "4170246e3b1583364166349eba090f1ca2a72669c62c9f5518c4a5bfd40049c7",
    ),
)

SWINIR = Manifest(
    id="swinir",
    kind="enhance",
    factory="lensproc_srgan.swinir:stage",
    training="lensproc_srgan.swinir_training:task",
    summary="attention within shifted windows, learned with losses that see point sources, no discriminator",
    citation="Liang et al. 2021, ICCVW, arXiv:2108.10257",
    options=(weights_option(),),
    scale=2,
    normalisation="range",
    output_psf=0.5,
    # Tiles begin at multiples of the side of a window, so that each sees the windows that the whole image has.
    multiple_of=8,
    halo=40,
    dtypes=("float32", "bfloat16"),
    tolerance=Tolerance(flux=0.05, centroid=0.1),
)


@hookimpl
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over the manifests of this package."""
    for manifest in (SRGAN, ESRGAN, LENS_GAN, SWINIR):
        register(manifest)
