"""Names of outputs; an output of another input is never overwritten, also not by two workers at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from lensproc.engine import outputs
from lensproc.engine.outputs import output_name, save_output, shared_stems, stem_of
from lensproc.errors import OutputError
from tests.fits.enhanced_examples import SHA, example


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("J1131.fits", "J1131"),
        ("J1131.fits.gz", "J1131"),
        ("J1131.FIT.fz", "J1131"),
        ("J1131.fts.bz2", "J1131"),
        ("J1131.i.fits", "J1131.i"),
        ("folder.fits/J1131", "J1131"),
        (".fits", ".fits"),
    ],
)
def test_the_stem_is_the_name_without_fits_and_compression(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_stems_are_shared_whatever_their_case() -> None:
    assert shared_stems(["a/x.fits", "b/X.fits.gz", "c/y.fits"]) == {"x"}


def test_bands_become_safe_names() -> None:
    assert (
        output_name("lens", "g DECam SDSS c0001 4720.0/1520.0")
        == "lens-g_DECam_SDSS_c0001_4720.0_1520.0_enhanced.fits"
    )


def test_its_own_output_is_replaced_and_anothers_is_not(tmp_path: Path) -> None:
    first = save_output(example(), tmp_path, "lens", None, False)
    assert first == save_output(example(), tmp_path, "lens", None, False) == "lens_enhanced.fits"
    other = example()
    source = other.original.source.__class__("lens.fits", "SCI", "f" * 64, "test")
    other = example(original=other.original.replace(source=source))
    assert save_output(other, tmp_path, "lens", None, False) == "lens-ffffffff_enhanced.fits"
    assert fits.getheader(tmp_path / "lens_enhanced.fits")["LPINSHA"] == SHA


def test_a_name_taken_between_the_look_and_the_writing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = outputs.write_enhanced

    def beaten(*arguments: object, **options: object) -> None:
        path = tmp_path / "lens_enhanced.fits"
        if not path.exists():
            path.write_bytes(b"the other worker's")
        write(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(outputs, "write_enhanced", beaten)
    assert save_output(example(), tmp_path, "lens", None, False) == "lens-01234567_enhanced.fits"
    assert (tmp_path / "lens_enhanced.fits").read_bytes() == b"the other worker's"
    assert not list(tmp_path.glob(".*"))


def test_when_both_names_are_taken_it_says_so(tmp_path: Path) -> None:
    for name in ("lens_enhanced.fits", "lens-01234567_enhanced.fits"):
        (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(OutputError, match="is not an output of this input; choose another output folder"):
        save_output(example(), tmp_path, "lens", None, False)
