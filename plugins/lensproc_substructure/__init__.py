"""Classifiers that tell which substructure a lens has: none, subhalos, or a vortex of superfluid dark matter.

This file holds manifests only and imports neither numpy nor torch: ``lensproc plugins list`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable

from lensproc.contract.classifier_manifest import CLASSIFIER_OPTIONS, classifier_manifest
from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import DataFile, Manifest, Option

lensproc_api = 1

SUBSTRUCTURE = classifier_manifest(
    "substructure",
    "lensproc_substructure.substructure",
    "no substructure, subhalos or a vortex, for cutouts of any size, pixel scale and noise",
    normalisation="noise",
    weights=(
        DataFile(
            "weights/substructure.safetensors",
            "e8cc9ea9fb288ede749d271dd52e3465953f774d80cf7896f5fed36d6b38cbc5",
        ),
    ),
)

RESNET_SIMPLE = classifier_manifest(
    "resnet-simple",
    "lensproc_substructure.resnet_simple",
    "no substructure, subhalos or a vortex, by a short residual network",
    citation="He et al. 2016, CVPR, 770",
    weights=(
        DataFile(
            "weights/resnet-simple.safetensors",
            "fd1f7fd1024dd5dc656412875250bee22acad89b93fbfcdeddf43dd4cf5c79de",
        ),
    ),
)

RESNET_18 = classifier_manifest(
    "resnet-18",
    "lensproc_substructure.resnet_18",
    "no substructure, subhalos or a vortex, by the residual network of 18 layers",
    citation="He et al. 2016, CVPR, 770",
)

TIMM = classifier_manifest(
    "timm",
    "lensproc_substructure.timm_backbone",
    "no substructure, subhalos or a vortex, by any backbone of timm: timm:resnet34, timm:efficientnet_b2",
    citation="Wightman 2019, PyTorch Image Models",
    family="backbone",
    options=(
        *CLASSIFIER_OPTIONS,
        Option("backbone", "str", "", "name of the backbone in timm; the id says it: timm:NAME"),
    ),
)

TWO_LEVEL = classifier_manifest(
    "two-level",
    "lensproc_substructure.two_level",
    "the two likeliest classes, then a network that tells those two apart",
)

ANOMALY = classifier_manifest(
    "anomaly",
    "lensproc_substructure.anomaly",
    "whether a lens has substructure or not",
    citation="Mehta & Rastegari 2022, ICLR",
)


@hookimpl
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over the manifests of this package."""
    for manifest in (SUBSTRUCTURE, RESNET_SIMPLE, RESNET_18, TIMM, TWO_LEVEL, ANOMALY):
        register(manifest)
