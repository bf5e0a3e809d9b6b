"""What the manifests of classifiers have in common. Importing it costs neither numpy nor torch."""

from __future__ import annotations

from typing import Any

from lensproc.contract.manifest import Manifest, Option
from lensproc.contract.weights import weights_option

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
"""Options of `lensproc.contract.classifier_stage.ClassifierStage`."""


def classifier_manifest(stage: str, module: str, summary: str, **more: Any) -> Manifest:
    """Manifest of a classifier of original images, most of which read images of range [0, 1].

    Parameters
    ----------
    stage : str
        Its id.
    module : str
        Dotted name of the module with ``stage`` and ``training``.
    summary : str
        One line for ``lensproc plugins list``.
    **more
        Further fields of the manifest, or others than these.
    """
    said = {"options": CLASSIFIER_OPTIONS, "normalisation": "range", **more}
    return Manifest(
        id=stage,
        kind="classify",
        factory=f"{module}:stage",
        training=f"{module}:training",
        summary=summary,
        sees="original",
        **said,
    )
