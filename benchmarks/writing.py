"""Time to make an output file's bytes, against astropy writing the three images of it alone.

Usage: python benchmarks/writing.py [side]
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits

from lensproc.cutout import Cutout, Resolved, Source
from lensproc.enhanced import Activity, Enhanced, Rows, Value
from lensproc.fits.atomic import atomic_write
from lensproc.fits.provenance import software_versions
from lensproc.fits.write import enhanced_to_bytes


def result(side: int) -> Enhanced:
    """Make a result with variance, mask, checks, sources and record, and a science header of 100 cards."""
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"], header["CD1_1"], header["CD2_2"] = "RA---TAN", "DEC--TAN", -1e-5, 1e-5
    for i in range(96):
        header[f"KEY{i:02d}"] = (i / 7, "a card of the survey's own")
    rng = np.random.default_rng(0)
    shape = (side, side)
    cutout = Cutout(
        rng.normal(size=shape).astype(np.float32),
        np.ones(shape, np.float32),
        np.zeros(shape, np.uint32),
        header,
        Source("lens.fits", "SCI", "a" * 64, "hst"),
        mask_bits={"SAT": 1, "CR": 2},
        unit=Resolved("adu", "header BUNIT"),
    )
    versions = software_versions()
    activities = (
        Activity(0, "read", "core", options='{"hdu":"SCI"}', versions=versions),
        Activity(1, "lanczos", "enhance", "lensproc", "0.1", options='{"scale":2}', versions=versions),
        Activity(2, "checks", "core", versions=versions),
    )
    qa = {f"QA{i:02d}": Value(i / 3, 0.1, "", "a check") for i in range(16)}
    columns = {f"c{i}": rng.normal(size=5) for i in range(16)}
    columns["label"] = np.array(["POINT", "KNOT", "ARC", "POINT", "ARC"])
    return Enhanced(cutout, cutout, 2.0, "c" * 64, activities, qa=qa, sources=Rows(columns))


def with_astropy(enhanced: Enhanced, checksum: bool) -> bytes:
    """Write PRIMARY, SCI, ERR and DQ through astropy's objects, without any record."""
    image = enhanced.image
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(image.data, image.header, name="SCI"),
            fits.ImageHDU(image.variance, name="ERR"),
            fits.ImageHDU(image.mask.view(np.int32), name="DQ"),
        ]
    )
    stream = io.BytesIO()
    hdus.writeto(stream, checksum=checksum)
    return stream.getvalue()


def milliseconds(function: Callable[[], object], repeats: int = 100) -> float:
    """Median of the time on the CPU."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def main() -> None:
    """Print a table."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    enhanced = result(side)
    data = enhanced_to_bytes(enhanced)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.fits"
        rows = {
            "lensproc, 6 HDUs, checksums": lambda: enhanced_to_bytes(enhanced),
            "astropy, 4 HDUs": lambda: with_astropy(enhanced, False),
            "astropy, 4 HDUs, checksums": lambda: with_astropy(enhanced, True),
            "write and rename, no fsync": lambda: atomic_write(path, data, sync=False),
            "write, fsync and rename": lambda: atomic_write(path, data),
        }
        for name, function in rows.items():
            function()
            print(f"{name:32s} {milliseconds(function):7.2f} ms of CPU")


if __name__ == "__main__":
    main()
