"""Hashes, times and the record of a run."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensproc.enhanced import Activity
from lensproc.errors import InputError
from lensproc.fits.provenance import (
    Run,
    canonical_json,
    latest_run,
    pixels_sha256,
    read_provenance,
    run_id,
    software_versions,
    timestamp,
)
from lensproc.fits.write import write_enhanced
from tests.fits.enhanced_examples import SHA, example


def test_equal_pixels_have_equal_hashes_whatever_their_layout() -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = hashlib.sha256(pixels.tobytes()).hexdigest()
    assert pixels_sha256(pixels) == pixels_sha256(pixels.astype(">f4")) == expected
    assert pixels_sha256(np.asfortranarray(pixels)) == expected
    assert pixels_sha256(pixels + 1) != expected


def test_a_run_is_named_by_its_input_and_configuration() -> None:
    name = run_id(SHA, "c" * 64)
    assert uuid.UUID(name).version == 5
    assert name == run_id(SHA, "c" * 64)
    assert name != run_id(SHA, "d" * 64)


def test_canonical_json_refuses_nan() -> None:
    assert canonical_json({"σ": 1}) == '{"\\u03c3":1}'
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": float("nan")})


def test_versions_name_what_pixels_depend_on() -> None:
    assert set(json.loads(software_versions())) == {"astropy", "cuda", "numpy", "python", "torch"}


def test_the_date_may_be_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert timestamp() == "1970-01-01T00:00:00"


def test_an_output_tells_its_making(tmp_path: Path) -> None:
    write_enhanced(example(), tmp_path / "out.fits")
    provenance = read_provenance(tmp_path / "out.fits")
    assert provenance.activities == example().activities
    assert provenance.primary["LPINSHA"] == SHA


def test_a_file_of_another_program_is_named(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.ones((2, 2))).writeto(tmp_path / "plain.fits")
    with pytest.raises(InputError, match=r"plain\.fits: has no LENSPROC table"):
        read_provenance(tmp_path / "plain.fits")
    with pytest.raises(InputError, match="cannot be read"):
        read_provenance(tmp_path / "missing.fits")


def test_the_latest_run_of_an_output_that_was_enhanced_again_is_told_apart() -> None:
    def row(stage: int, name: str, kind: str = "core", seed: int = 0) -> Activity:
        return Activity(stage=stage, id=name, kind=kind, dist="lensproc", distver="1", seed=seed)

    first = (row(0, "read"), row(1, "wavelet", "enhance"), row(2, "checks"))
    second = (
        row(0, "read", seed=2),
        row(1, "lanczos", "enhance"),
        row(2, "sis", "physics"),
        row(3, "checks"),
    )
    run = latest_run((*first, *second))
    assert run.reading is not None
    assert run.reading.seed == 2
    assert [stage.id for stage in run.stages] == ["lanczos", "sis"]
    assert run.checks == (second[3],)
    assert latest_run(first).stages == (first[1],)
    assert latest_run(first[1:]) == Run(None, (first[1],), (first[2],))
