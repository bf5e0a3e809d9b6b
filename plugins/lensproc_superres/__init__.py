"""Networks that double the number of pixels along a side.

This file holds manifests only and imports neither numpy nor torch: ``lensproc plugins list`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import DataFile, Manifest, Option, Tolerance
from lensproc.contract.weights import weights_option

lensproc_api = 1

PAIRS = "lensproc_superres.training:task"
"""Training on pairs of a low- and a high-resolution image."""


def _network(
    stage_id: str,
    module: str,
    halo: int,
    summary: str,
    citation: str,
    output_psf: str | float = "same",
    weights: str = "",
    calibration: str = "",
) -> Manifest:
    """Manifest of a network that takes images of range [0, 1]; the SHA-256 of its files, where they ship.

    Pairs whose small image is interpolated from the large one keep their PSF: of H with ``same`` and with every
    ratio of FWHM, ``same`` takes the large image closest to the small one (docs/stages.md).
    """
    return Manifest(
        id=stage_id,
        kind="enhance",
        factory=f"lensproc_superres.{module}:stage",
        training=PAIRS,
        summary=summary,
        citation=citation,
        options=(weights_option(),),
        scale=2,
        normalisation="range",
        output_psf=output_psf,
        halo=halo,
        dtypes=("float32", "bfloat16"),
        tolerance=Tolerance(flux=0.05, centroid=0.1),
        weights=(DataFile(f"weights/{stage_id}.safetensors", weights),) if weights else (),
        calibration=DataFile(f"weights/{stage_id}.calibration.json", calibration) if calibration else None,
    )


RESNET_SISR = _network(
    "resnet-sisr",
    "resnet_sisr",
    42,
    "residual blocks with batch normalisation, 10 or 16",
    "He et al. 2016, CVPR, 770; Shi et al. 2016, CVPR, 1874",
    weights="13211b15c12860c8503f5e079617bba507f5ba5e01e68f5f89761ff15a21de25",
    calibration="eb5ba3f2c8df9aee3a6bc620e7531732fdc7dc812b55365321a177f70eb3fc9d",
)

RESNET_SISR_SPARSE = _network(
    "resnet-sisr-sparse",
    "resnet_sisr",
    42,
    "resnet-sisr from few pairs of two telescopes",
    "He et al. 2016, CVPR, 770; Shi et al. 2016, CVPR, 1874",
    output_psf=0.3,
)

SRRESNET = _network(
    "srresnet",
    "srresnet",
    13,
    "residual blocks without batch normalisation, 1 to 3",
    "Ledig et al. 2017, CVPR, 105",
    weights="cde129272ac006b06fcc68f96caaace37b80fe5242716c152b17a6faba0d20c4",
    calibration="6e2edeafce9a7ee06d166f7099bf716a43107271b755cdae9b16f602f8780e56",
)

SRCNN = _network(
    "srcnn", "srcnn", 6, "three convolutions over an interpolated image", "Dong et al. 2016, TPAMI 38, 295"
)

SUPERRESCNN = _network(
    "superrescnn",
    "superrescnn",
    1,
    "three wide convolutions over repeated pixels",
    "Dong et al. 2016, TPAMI 38, 295",
)

EDSR = _network(
    "edsr", "edsr", 36, "16 scaled residual blocks without normalisation", "Lim et al. 2017, CVPRW, 1132"
)

ESRN = _network(
    "esrn",
    "esrn",
    124,
    "residual-in-residual dense blocks, 1 to 8",
    "Wang et al. 2018, ECCVW, arXiv:1809.00219",
)

LENS_SR = Manifest(
    id="lens-sr",
    kind="enhance",
    factory="lensproc_superres.lens_sr:lens_sr",
    training="lensproc_superres.lens_sr:task",
    summary="network for lenses of any survey: half the PSF's width, errors, agreement with the input",
    options=(
        Option("consistency", "bool", True, "put back what the input measured and the network missed"),
        weights_option(),
    ),
    scale=2,
    normalisation="noise",
    output_psf=0.5,
    halo="global",
    dtypes=("float32", "bfloat16"),
    tolerance=Tolerance(flux=0.02, centroid=0.05),
    weights=(
        DataFile(
            "weights/lens-sr.safetensors",
            "45173591cf9437d9795bc657b11a39a472f00b3e275a8ac91d03dd6adecbf650",
        ),
    ),
    calibration=DataFile(
        "weights/lens-sr.calibration.json",
        "dd50c158944054ca2489be91115613c33e50e27560f44dc7e75624462e2c98c1",
    ),
)


@hookimpl
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over the manifests of this package."""
    for manifest in (LENS_SR, RESNET_SISR, RESNET_SISR_SPARSE, SRRESNET, SRCNN, SUPERRESCNN, EDSR, ESRN):
        register(manifest)
