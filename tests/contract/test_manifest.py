from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensproc.contract.manifest import DataFile, Manifest, Option, Tolerance
from lensproc.errors import PluginError, UsageError

PLAIN = Manifest(id="plain", kind="enhance", factory="package.module:Stage", summary="a stage")
SCALED = dataclasses.replace(
    PLAIN, options=(Option("scale", "int", 2, "output pixels per input pixel", 2, 4),), scale=(2, 4)
)
FULL = dataclasses.replace(
    SCALED,
    kind="physics",
    sees="both",
    bands=("g", "r"),
    training="package.training:task",
    requires=("KAPPA",),
    provides=("THETAE",),
    output_psf=((0.0, 1.0, 0.0), (1.0, 4.0, 1.0), (0.0, 1.0, 0.0)),
    halo=12,
    dtypes=("float32", "bfloat16"),
    tolerance=Tolerance(0.02, 0.1),
    weights=(DataFile("weights/full.safetensors", "a" * 64, "MIT"),),
    calibration=DataFile("weights/full.calibration.json", "b" * 64),
)


@pytest.mark.parametrize("manifest", [PLAIN, SCALED, FULL], ids=["plain", "scaled", "full"])
def test_json_brings_back_the_same_manifest(manifest):
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"id": "Has Space"}, "stage id 'Has Space'"),
        ({"kind": "improve"}, "kind 'improve'"),
        ({"sees": "all"}, "sees 'all'"),
        ({"factory": "package.module"}, "factory 'package.module' is not module:attribute"),
        ({"output_psf": "half"}, "output_psf 'half'"),
        ({"scale": (1, 2)}, "several scales need an option named 'scale'"),
    ],
)
def test_a_contradiction_is_refused_when_the_manifest_is_made(changes, what):
    with pytest.raises(PluginError, match=what):
        dataclasses.replace(PLAIN, **changes)


@pytest.mark.parametrize(
    ("option", "given_as", "value"),
    [
        (Option("n", "int", 1), "7", 7),
        (Option("n", "int", 1), 7.0, 7),
        (Option("x", "float", 1.0), "1e-11", 1e-11),
        (Option("on", "bool", False), "yes", True),
        (Option("on", "bool", True), "False", False),
        (Option("word", "str", "a", choices=("a", "b")), "b", "b"),
    ],
)
def test_options_come_as_words_or_values(option, given_as, value):
    parsed = option.parse(given_as, "stage")
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("option", "given_as", "what"),
    [
        (Option("n", "int", 1), "1.5", "stage.n='1.5' is not a int"),
        (Option("n", "int", 1), 1.5, "is not a int"),
        (Option("n", "int", 1), True, "is not a int"),
        (Option("x", "float", 1.0), "nan", "is not finite"),
        (Option("x", "float", 1.0, minimum=0.0), -1, "below its minimum 0"),
        (Option("x", "float", 1.0, maximum=2.0), "3", "above its maximum 2"),
        (Option("on", "bool", False), "maybe", "is not a bool"),
        (Option("word", "str", "a", choices=("a", "b")), "c", "'c' is not one of a, b"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(option, given_as, what):
    with pytest.raises(UsageError, match=what):
        option.parse(given_as, "stage")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_survives_the_command_line(value):
    assert Option("x", "float", 1.0).parse(repr(value)) == value


@given(st.integers())
def test_an_integer_survives_the_command_line(value):
    assert Option("n", "int", 1).parse(str(value)) == value


def test_given_options_are_completed_by_defaults_and_unknown_ones_are_listed():
    assert SCALED.resolve_options({"scale": "4"}) == {"scale": 4}
    assert SCALED.resolve_options({}) == {"scale": 2}
    with pytest.raises(UsageError, match="it has: scale"):
        SCALED.resolve_options({"scales": 2})


def test_the_scale_is_one_of_those_that_are_declared():
    assert SCALED.scale_for({"scale": 4}) == 4
    assert PLAIN.scale_for({}) == 1
    with pytest.raises(UsageError, match=r"plain\.scale=3 is not one of 2, 4"):
        SCALED.resolve_options({"scale": 3})


def test_bands_count_as_channels():
    assert PLAIN.n_bands == 1
    assert dataclasses.replace(PLAIN, bands=3).n_bands == 3
    assert FULL.n_bands == 2
