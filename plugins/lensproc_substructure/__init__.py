"""Classifiers that tell which substructure a lens has: none, subhalos, or a vortex of superfluid dark matter.

This file holds manifests only and imports neither numpy nor torch: ``lensproc plugins list`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import DataFile, Manifest, Option
from lensproc.contract.weights import weights_option

lensproc_api = 1

CLASSIFIER_OPTIONS = (
    Option(
        "views",
        "str",
        "8",
        "flips and quarter turns whose probabilities are averaged; 1 is faster",
        choices=("8", "1"),
    ),
    Option(
        "also_enhanced",
        "bool",
        False,
        "classify the image of the stages before it too, and say where the two disagree",
    ),
    Option(
        "saliency",
        "str",
        "none",
        "plane SALIENCY: what speaks for the likeliest class, pixel by pixel; needs lensproc[explain]",
        choices=("none", "integrated-gradients", "grad-cam"),
    ),
    weights_option(),
)


def _classifier(stage: str, module: str, summary: str, **more: Any) -> Manifest:
    """Manifest of a classifier of this package; most read images of range [0, 1]."""
    said = {"options": CLASSIFIER_OPTIONS, "normalisation": "range", **more}
    return Manifest(
        id=stage,
        kind="classify",
        factory=f"lensproc_substructure.{module}:stage",
        training=f"lensproc_substructure.{module}:training",
        summary=summary,
        sees="original",
        **said,
    )


SUBSTRUCTURE = _classifier(
    "substructure",
    "substructure",
    "no substructure, subhalos or a vortex, for cutouts of any size, pixel scale and noise",
    normalisation="noise",
    weights=(
        DataFile(
            "weights/substructure.safetensors",
            "e8cc9ea9fb288ede749d271dd52e3465953f774d80cf7896f5fed36d6b38cbc5",
        ),
    ),
)

RESNET_SIMPLE = _classifier(
    "resnet-simple",
    "resnet_simple",
    "no substructure, subhalos or a vortex, by a short residual network",
    citation="He et al. 2016, CVPR, 770",
    weights=(
        DataFile(
            "weights/resnet-simple.safetensors",
            "fd1f7fd1024dd5dc656412875250bee22acad89b93fbfcdeddf43dd4cf5c79de",
        ),
    ),
)

RESNET_18 = _classifier(
    "resnet-18",
    "resnet_18",
    "no substructure, subhalos or a vortex, by the residual network of 18 layers",
    citation="He et al. 2016, CVPR, 770",
)

TIMM = _classifier(
    "timm",
    "timm_backbone",
    "no substructure, subhalos or a vortex, by any backbone of timm: timm:resnet34, timm:efficientnet_b2",
    citation="Wightman 2019, PyTorch Image Models",
    family="backbone",
    options=(
        *CLASSIFIER_OPTIONS,
        Option("backbone", "str", "", "name of the backbone in timm; the id says it: timm:NAME"),
    ),
)

TWO_LEVEL = _classifier(
    "two-level",
    "two_level",
    "the two likeliest classes, then a network that tells those two apart",
)

ANOMALY = _classifier(
    "anomaly",
    "anomaly",
    "whether a lens has substructure or not",
    citation="Mehta & Rastegari 2022, ICLR",
)


@hookimpl
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over the manifests of this package."""
    for manifest in (SUBSTRUCTURE, RESNET_SIMPLE, RESNET_18, TIMM, TWO_LEVEL, ANOMALY):
        register(manifest)
