"""Super-resolution of real images: figures and pictures of ``docs/real-super-resolution.md``.

Run from the checkout: ``python -m benchmarks.real_super_resolution raw-gold|hsc-hst|lenses [--weights FILE]``.
`LENSPROC_REAL_DATA` and `LENSPROC_DEEPLENSE_DATA` name the folders with the data, which are not part of lensproc.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import peers, real_hsc_hst, real_lenses, real_lenses_super_resolved, real_raw_gold

SUBJECTS = {
    "raw-gold": (real_raw_gold.main, peers.FOLDER),
    "hsc-hst": (real_hsc_hst.main, real_lenses.FOLDER),
    "lenses": (real_lenses_super_resolved.main, real_lenses.FOLDER),
}


def main() -> int:
    """Make the figures and pictures of one subject."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--weights", default="", help="weights of lens-sr; by default those that ship")
    chosen = parser.parse_args()
    make, folder = SUBJECTS[chosen.subject]
    if not folder.is_dir():
        print(f"{folder} is missing; see --help", file=sys.stderr)
        return 1
    make(chosen.weights)
    return 0


if __name__ == "__main__":
    sys.exit(main())
