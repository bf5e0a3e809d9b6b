"""The small language in which a recipe says how a parameter is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lensproc.errors import UsageError

FORMS = (
    "a number, {uniform = [a, b]}, {log_uniform = [a, b]}, {normal = [mean, sigma]}, "
    "{choice = [...]} or {poisson = mean}"
)
"""What `draw` understands, for error messages."""


def draw(spec: Any, rng: np.random.Generator, name: str = "parameter") -> float:
    """Draw one number.

    Parameters
    ----------
    spec : float or mapping
        A number stands for itself; a mapping of one key names the distribution:
        ``uniform`` and ``log_uniform`` take the ends of the range, ``normal`` mean and σ (with ``clip = n``
        as second key: redrawn beyond n σ), ``choice`` a list of equally likely numbers, ``poisson`` the mean.
    rng : numpy.random.Generator
        Where the random numbers come from.
    name : str
        Name of the parameter, for error messages.

    Raises
    ------
    UsageError
        When `spec` is none of these.
    """
    if isinstance(spec, (int, float)) and not isinstance(spec, bool):
        return float(spec)
    if isinstance(spec, Mapping):
        keys = set(spec)
        if keys == {"uniform"}:
            low, high = _pair(spec["uniform"], name)
            return float(rng.uniform(low, high))
        if keys == {"log_uniform"}:
            low, high = _pair(spec["log_uniform"], name)
            if low <= 0 or high <= 0:
                raise UsageError(f"{name}: log_uniform needs positive ends, got {low:g} and {high:g}")
            return float(math.exp(rng.uniform(math.log(low), math.log(high))))
        if keys in ({"normal"}, {"normal", "clip"}):
            mean, sigma = _pair(spec["normal"], name)
            return _clipped_normal(rng, mean, sigma, float(spec.get("clip", math.inf)))
        if keys == {"choice"}:
            return float(rng.choice(np.asarray(spec["choice"], float)))
        if keys == {"poisson"}:
            return float(rng.poisson(float(spec["poisson"])))
    raise UsageError(f"{name} = {spec!r} is not understood", remedy=f"write {FORMS}")


def draw_all(
    table: Mapping[str, Any], rng: np.random.Generator, defaults: Mapping[str, Any]
) -> dict[str, float]:
    """Draw every key of `defaults`, taken from `table` where it is given there.

    The order is that of `defaults`, so that the order of keys in a file does not change what is drawn.
    """
    return {key: draw(table.get(key, default), rng, key) for key, default in defaults.items()}


def _pair(value: Any, name: str) -> tuple[float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise UsageError(f"{name}: expected two numbers, got {value!r}")
    return float(value[0]), float(value[1])


def _clipped_normal(rng: np.random.Generator, mean: float, sigma: float, clip: float) -> float:
    while True:
        unit = float(rng.normal())
        if abs(unit) <= clip:
            return mean + sigma * unit
