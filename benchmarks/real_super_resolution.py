"""Super-resolution of real images: figures and pictures of ``docs/real-super-resolution.md``.

Run from the checkout: ``python -m benchmarks.real_super_resolution raw-gold|hsc-hst|lenses [--weights FILE]``.
What a subject prints also replaces its figures in the page. `LENSPROC_REAL_DATA` and `LENSPROC_DEEPLENSE_DATA`
name the folders with the data, which are not part of lensproc.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from pathlib import Path

from benchmarks import peers, real_hsc_hst, real_lenses, real_lenses_super_resolved, real_raw_gold

PAGE = Path(__file__).parents[1] / "docs" / "real-super-resolution.md"
SUBJECTS = {
    "raw-gold": (real_raw_gold.main, peers.FOLDER),
    "hsc-hst": (real_hsc_hst.main, real_lenses.FOLDER),
    "lenses": (real_lenses_super_resolved.main, real_lenses.FOLDER),
}


def put_into_page(subject: str, figures: str) -> None:
    """Replace what stands between the marks of a subject in the page."""
    begin, end = f"<!-- figures: {subject} -->\n", f"<!-- end: {subject} -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    PAGE.write_text(f"{before}{begin}\n{figures.strip()}\n\n{end}{after}", encoding="utf-8")


def main() -> int:
    """Make the figures and pictures of one subject."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--weights", default="", help="weights of lens-sr; by default those that ship")
    chosen = parser.parse_args()
    make, folder = SUBJECTS[chosen.subject]
    if not folder.is_dir():
        print(f"{folder} is missing; see the first lines of {Path(__file__).name}", file=sys.stderr)
        return 1
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        make(chosen.weights)
    print(told.getvalue())
    put_into_page(chosen.subject, told.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
