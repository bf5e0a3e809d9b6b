"""Stages that are told what gravity does.

This file holds manifests only and imports neither numpy nor torch: ``lensproc plugins list`` reads it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from lensproc.contract.classifier_manifest import CLASSIFIER_OPTIONS, classifier_manifest
from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import DataFile, Manifest, Option, Tolerance
from lensproc.contract.weights import weights_option

lensproc_api = 1

K_UNIT = Option(
    "k_unit",
    "str",
    "pixel",
    "what k = .8 to 1.2 is counted in, as the weights were trained: pixels of the 150 px it sees, or arcsec",
    choices=("pixel", "arcsec"),
)


def _informed(stage: str, summary: str) -> Manifest:
    """Manifest of a classifier of source planes."""
    return classifier_manifest(
        stage,
        "lensproc_sis.informed",
        summary,
        citation="Schneider, Ehlers & Falco 1992, Gravitational Lenses, sect. 8.1.4",
        options=(*CLASSIFIER_OPTIONS, K_UNIT),
    )


SIS_1 = _informed(
    "sis-1", "kind of substructure, from the source plane of a learnt sphere; the brightest wins"
)
SIS_2 = _informed("sis-2", "kind of substructure, from the source plane of a learnt sphere; light adds up")
SIS_FULL = _informed(
    "sis-full", "kind of substructure, as sis-2, with the slope of the sphere's strength kept"
)

SIS_CLASS = dataclasses.replace(
    classifier_manifest(
        "sis-class",
        "lensproc_sis.sis_class",
        "kind of substructure, from image, convergence and what the source of a measured lens does not explain",
        normalisation="noise",
        minimum_size=16,
    ),
    training="lensproc_sis.class_training:training",
    weights=(
        DataFile(
            "weights/sis-class.safetensors",
            "92adafe5e9cbf907e29f3ebeb78e3769105a877406228a196ebd45625f72a6fd",
        ),
    ),
)

SIS = Manifest(
    id="sis",
    kind="physics",
    factory="lensproc_sis.sis_stage:stage",
    training="lensproc_sis.sis_learning:training",
    summary="Einstein radius, shape and shear of a lens with errors, its deflection, source and residual",
    citation="Kormann, Schneider & Bartelmann 1994, A&A 284, 285",
    options=(
        weights_option(),
        Option("sampling", "int", 2, "pixels of SOURCE per pixel of the image, along a side", 1, 4),
    ),
    sees="original",
    provides=("LPTHETAE", "ALPHA", "KAPPA", "SOURCE", "RESIDUAL"),
    sky=True,
    weights=(
        DataFile(
            "weights/sis.safetensors",
            "5a3b3dba6fa90d971bb5eb7e4a64cab0f58cac97b2c254d22cfcb5d18a4434a3",
        ),
    ),
)

SIS_SR = Manifest(
    id="sis-sr",
    kind="enhance",
    factory="lensproc_sis.sis_sr:stage",
    training="lensproc_sis.sr_training:training",
    summary="the source of a measured lens, lensed again on pixels half as large; learnt without sharp images",
    citation="Gortler et al. 1996, SIGGRAPH, 43; Batson & Royer 2019, ICML",
    options=(weights_option(),),
    scale=2,
    normalisation="noise",
    output_psf="same",
    minimum_size=16,
    provides=("LPEXPL",),
    tolerance=Tolerance(flux=0.02, centroid=0.05),
)


@hookimpl
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over the manifests of this package."""
    for manifest in (SIS_1, SIS_2, SIS_FULL, SIS_CLASS, SIS, SIS_SR):
        register(manifest)
