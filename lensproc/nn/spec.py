"""Build a network from the hyperparameters that a recipe or a weights file names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lensproc.errors import UsageError

Network = TypeVar("Network")


def from_spec(kind: Callable[..., Network], spec: Mapping[str, Any], name: str) -> Network:
    """Build `kind` with the hyperparameters `spec`.

    Parameters
    ----------
    kind : callable
        A network's class, whose keyword arguments are its hyperparameters.
    spec : mapping of str to JSON values
        Those that differ from the defaults.
    name : str
        Name of the stage, for messages.

    Raises
    ------
    UsageError
        For an unknown hyperparameter (the known ones are listed), or a value that the network refuses.
    """
    known = list(inspect.signature(kind).parameters)
    unknown = sorted(set(spec) - set(known))
    if unknown:
        raise UsageError(
            f"the network of {name} has no hyperparameter {', '.join(unknown)}",
            remedy=f"it has: {', '.join(known) or 'none'}",
        )
    try:
        return kind(**spec)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the network of {name} cannot be built from {dict(spec)}: {error}") from None


def full_spec(kind: Callable[..., Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return `spec` with the defaults of `kind` filled in, so that a file does not depend on them."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    return {**defaults, **spec}
