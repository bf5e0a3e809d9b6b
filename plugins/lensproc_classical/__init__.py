"""Classical enhancers, which need no trained weights: the baselines every network is held against.

This file holds manifests only and imports neither numpy nor torch: ``lensproc plugins list`` reads it.
"""

from __future__ import annotations

from collections.abc import Callable

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import Manifest, Option, Tolerance

lensproc_api = 1


def _scale(default: int, minimum: int, maximum: int) -> Option:
    text = f"output pixels per input pixel, {minimum} to {maximum}"
    return Option("scale", "int", default, text, minimum, maximum)


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
)


@hookimpl
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over the manifests of this package."""
    for manifest in (BICUBIC, LANCZOS):
        register(manifest)
