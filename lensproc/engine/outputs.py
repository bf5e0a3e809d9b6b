"""Names of outputs, and the rule that an output of another input is never overwritten."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from lensproc.enhanced import Enhanced
from lensproc.errors import OutputError
from lensproc.fits.write import write_enhanced

_SUFFIX = re.compile(r"(\.(fits|fit|fts))?(\.(gz|fz|bz2))?$", re.IGNORECASE)


def stem_of(path: str | os.PathLike[str]) -> str:
    """Strip a path to its base name without .fits, .fit or .fts and .gz, .fz or .bz2.

    Examples
    --------
    >>> stem_of("cutouts/J1131.fits.gz"), stem_of("J1131.FIT"), stem_of("a.b.fits")
    ('J1131', 'J1131', 'a.b')
    """
    name = Path(path).name
    return _SUFFIX.sub("", name) or name


def shared_stems(paths: Iterable[str]) -> set[str]:
    """Return the stems, in lower case, that several paths share; some file systems ignore case."""
    counts = Counter(stem_of(path).lower() for path in paths)
    return {stem for stem, count in counts.items() if count > 1}


def output_name(stem: str, band: str | None = None, sha256: str | None = None) -> str:
    """Name of an output file.

    Parameters
    ----------
    stem : str
        From `stem_of`.
    band : str, optional
        Name of the band where the input holds several.
    sha256 : str, optional
        Of the input, where another input has the same stem.

    Examples
    --------
    >>> output_name("J1131"), output_name("J1131", "g"), output_name("J1131", None, "0a1b2c3d4e5f")
    ('J1131_enhanced.fits', 'J1131-g_enhanced.fits', 'J1131-0a1b2c3d_enhanced.fits')
    """
    parts = [stem]
    if sha256:
        parts.append(sha256[:8])
    if band:
        parts.append(re.sub(r"[^A-Za-z0-9_.+]", "_", band))
    return "-".join(parts) + "_enhanced.fits"


def is_output_of(path: Path, sha256: str) -> bool:
    """Tell whether an existing file is lensproc's output of the input with that SHA-256."""
    from astropy.io import fits

    try:
        return bool(fits.getheader(path, 0).get("LPINSHA") == sha256)
    except (OSError, ValueError):
        return False


def save_output(
    enhanced: Enhanced, folder: Path, stem: str, band: str | None, with_sha256: bool, sync: bool = True
) -> str:
    """Write a result under its name, or under the name with the input's hash where that one is taken.

    Returns
    -------
    str
        Base name of the file.

    Raises
    ------
    OutputError
        Where it cannot be written, or both names are taken by files that are not outputs of this input.
    """
    sha256 = enhanced.original.source.sha256
    names = [output_name(stem, band, sha256 if with_sha256 else None), output_name(stem, band, sha256)]
    for name in names:
        path = folder / name
        mine = path.exists() and is_output_of(path, sha256)
        if path.exists() and not mine:
            continue
        try:
            write_enhanced(enhanced, path, sync, replace=mine)
        except FileExistsError:  # another worker took the name just now
            continue
        return name
    raise OutputError(
        f"{names[-1]} exists and is not an output of this input",
        file=enhanced.original.source.file,
        remedy="choose another output folder",
    )
