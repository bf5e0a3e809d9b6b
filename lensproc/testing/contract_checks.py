"""Checks of what a stage says of itself, and of how it is built."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import subprocess
import sys

from lensproc.contract.manifest import Manifest
from lensproc.contract.registry import build_stage
from lensproc.enhanced import Plane, Rows, Value
from lensproc.errors import LensprocError, WeightsError
from lensproc.testing.compare import require_same
from lensproc.testing.result import CheckFailedError, NotApplicableError
from lensproc.testing.scenes import field
from lensproc.testing.subject import Outcome, Subject

HEAVY = ("torch", "astropy", "numpy", "photutils")
"""What importing a manifest must not import."""
_PROBE = """
import sys
{load}
print("LOADED", *sorted(name for name in {heavy} if name in sys.modules))
"""


def manifest_imports_without_torch(subject: Subject) -> None:
    """Require that importing the package that registers the stage imports none of `HEAVY`."""
    if subject.plugin:
        load = "from lensproc.contract.registry import load_registry; load_registry()"
    else:
        load = f"import {subject.manifest.factory.split(':')[0].split('.')[0]}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if subject.plugin:
        environment["LENSPROC_PLUGINS"] = subject.plugin
    code = _PROBE.format(load=load, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1]
        raise CheckFailedError(f"{load!r} failed in a fresh interpreter: {last}")
    loaded = done.stdout.split("LOADED", 1)[1].split()
    if loaded:
        raise CheckFailedError(f"importing the manifest imports {', '.join(loaded)}; expected none of them")


def manifest_survives_json(subject: Subject) -> None:
    """Require the same manifest after a round trip through a JSON text."""
    try:
        text = json.dumps(subject.manifest.to_json(), allow_nan=False)
        again = Manifest.from_json(json.loads(text))
    except (TypeError, ValueError) as error:
        raise CheckFailedError(f"the manifest does not go through JSON: {error}") from error
    for item in dataclasses.fields(Manifest):
        was, is_now = getattr(subject.manifest, item.name), getattr(again, item.name)
        if was != is_now:
            raise CheckFailedError(f"{item.name} is {is_now!r} after JSON, expected {was!r}")


def defaults_validate(subject: Subject) -> None:
    """Every option's default passes its own range, and the fields have values that the core knows."""
    manifest = subject.manifest
    names = [option.name for option in manifest.options]
    if len(names) != len(set(names)):
        raise CheckFailedError(f"two options have one name: {', '.join(names)}")
    try:
        resolved = manifest.resolve_options(manifest.defaults)
    except LensprocError as error:
        raise CheckFailedError(f"a default is refused: {error}") from error
    for option in manifest.options:
        if resolved[option.name] != option.default:
            raise CheckFailedError(
                f"default {option.default!r} of {option.name} is not of type {option.type}"
            )
        if not option.help:
            raise CheckFailedError(f"option {option.name} has no help text")
    allowed = {
        "normalisation": ("none", "noise", "peak", "range"),
        "amplitude": ("flux", "surface brightness"),
    }
    for name, words in allowed.items():
        if getattr(manifest, name) not in words:
            raise CheckFailedError(
                f"{name} is {getattr(manifest, name)!r}, expected one of {', '.join(words)}"
            )
    if "float32" not in manifest.dtypes:
        raise CheckFailedError(f"dtypes are {manifest.dtypes}, expected float32 among them")
    if manifest.halo != "global" and (not isinstance(manifest.halo, int) or manifest.halo < 0):
        raise CheckFailedError(f"halo is {manifest.halo!r}, expected 'global' or a number of pixels")
    if min(manifest.minimum_size, manifest.multiple_of) < 1:
        raise CheckFailedError("minimum_size and multiple_of must be at least 1")


def stage_pickles(subject: Subject) -> None:
    """Require that a stage pickles before it is loaded, and that the copy gives the same."""
    try:
        copy = pickle.loads(pickle.dumps(subject.build()))
    except Exception as error:
        raise CheckFailedError(f"the stage does not pickle: {type(error).__name__}: {error}") from error
    scene = field(subject.shape(32, 40), subject.bands)
    found = subject.run([scene], subject.load(copy))[0]
    require_same(found, subject.run([scene])[0], "the unpickled stage", exact=True)


def wrong_weights_are_refused(subject: Subject) -> None:
    """Require that data files with another SHA-256 than the manifest names are refused."""
    manifest = subject.manifest
    if not manifest.weights:
        raise NotApplicableError("the stage has no weights")
    forged = tuple(dataclasses.replace(data, sha256="0" * 64) for data in manifest.weights)
    build_stage(manifest, subject.options, subject.package)
    try:
        build_stage(dataclasses.replace(manifest, weights=forged), subject.options, subject.package)
    except WeightsError:
        return
    raise CheckFailedError("weights of another SHA-256 were loaded, expected WeightsError")


def findings_are_well_formed(subject: Subject) -> None:
    """Values, tables and planes have the types, names and lengths that files can hold."""
    outcome = subject.run([field(subject.shape(56, 64), subject.bands)])[0]
    if outcome.failed:
        raise CheckFailedError(f"a field with a ring and three stars failed: {outcome.failed}")
    findings = {**outcome.values, **outcome.tables, **outcome.planes}
    lacking = [name for name in subject.manifest.provides if name not in findings]
    if lacking:
        raise CheckFailedError(f"the manifest provides {', '.join(lacking)}, found {sorted(findings)}")
    if not findings and subject.manifest.kind == "enhance":
        raise NotApplicableError("the stage gives images only")
    if not findings:
        raise CheckFailedError(f"a stage of kind {subject.manifest.kind} gave no value, table or plane")
    _require_values(outcome)
    for name, rows in outcome.tables.items():
        if not isinstance(rows, Rows) or len({len(column) for column in rows.columns.values()}) > 1:
            raise CheckFailedError(f"table {name} is not a Rows with columns of one length")
    for name, plane in outcome.planes.items():
        if not isinstance(plane, Plane) or plane.data.dtype != "float32" or plane.data.ndim < 2:
            raise CheckFailedError(f"plane {name} is not a Plane of at least two axes in float32")


def _require_values(outcome: Outcome) -> None:
    for name, value in outcome.values.items():
        if not isinstance(value, Value):
            raise CheckFailedError(f"{name} is a {type(value).__name__}, expected a Value")
        if type(value.value) not in (float, int, str, bool, type(None)):
            raise CheckFailedError(
                f"{name} holds a {type(value.value).__name__}, expected float, int, str, bool or None"
            )
        if type(value.error) not in (float, int, type(None)):
            raise CheckFailedError(f"the error of {name} is a {type(value.error).__name__}, expected float")
        if isinstance(value.value, str) and (len(value.value) > 68 or not value.value.isascii()):
            raise CheckFailedError(f"{name} is {value.value!r}, expected at most 68 ASCII characters")
        try:
            json.dumps(dataclasses.asdict(value), allow_nan=False)
        except ValueError as error:
            raise CheckFailedError(f"{name} does not go into JSON: {error}") from error
