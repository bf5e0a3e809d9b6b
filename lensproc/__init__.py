"""Enhance FITS cutouts of strong gravitational lenses, and check what survived.

The names below are imported when they are first used, so that ``import lensproc`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lensproc.contract import API as LENSPROC_API
    from lensproc.contract.hookspecs import hookimpl
    from lensproc.cutout import Cutout
    from lensproc.engine.embed import enhance
    from lensproc.engine.pipeline import Pipeline
    from lensproc.fits.read import ReadOptions, read

__version__ = "0.1.0"
__all__ = ["LENSPROC_API", "Cutout", "Pipeline", "ReadOptions", "enhance", "hookimpl", "read"]

_HOMES = {
    "LENSPROC_API": ("lensproc.contract", "API"),
    "Cutout": ("lensproc.cutout", "Cutout"),
    "Pipeline": ("lensproc.engine.pipeline", "Pipeline"),
    "ReadOptions": ("lensproc.fits.read", "ReadOptions"),
    "enhance": ("lensproc.engine.embed", "enhance"),
    "hookimpl": ("lensproc.contract.hookspecs", "hookimpl"),
    "read": ("lensproc.fits.read", "read"),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'lensproc' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)
