"""What observers are told of a run: its setting, each file, and the sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lensproc.enhanced import Scalar


@dataclass(frozen=True)
class RunContext:
    """The setting of a run.

    Parameters
    ----------
    output : str
        Output folder as given.
    stages : tuple of str
        Stage ids in order.
    config_sha256 : str
        SHA-256 of the configuration.
    n_files : int
        Number of input files.
    """

    output: str
    stages: tuple[str, ...]
    config_sha256: str
    n_files: int


@dataclass(frozen=True)
class FileResult:
    """What became of one cutout: a line of the ledger and a row of the catalogue.

    Parameters
    ----------
    file : str
        Input path as given.
    hdu : str
        Image in the file; empty where the file could not be read.
    status : str
        ``OK``, ``PARTIAL``, ``FAILED`` or ``SKIPPED``.
    output : str
        Base name of the output; empty where none was written.
    sha256 : str
        SHA-256 of the input file; empty where it could not be read.
    message : str
        Reason of a failure, or the warnings.
    seconds : float
        Time spent on it in its worker.
    row : mapping
        Columns of the catalogue.
    units, descriptions : mapping
        Of those columns; columns without are left out.
    """

    file: str
    hdu: str = ""
    status: str = "OK"
    output: str = ""
    sha256: str = ""
    message: str = ""
    seconds: float = 0.0
    row: Mapping[str, Scalar] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunSummary:
    """The sum of a run.

    Parameters
    ----------
    done, failed, skipped : int
        Cutouts written, refused, and found done already.
    flagged : int
        Cutouts whose checks say FAIL.
    seconds : float
        Wall time.
    interrupted : bool
        True after Ctrl-C.
    failures : tuple of FileResult
        The failed ones, with reasons.
    """

    done: int
    failed: int
    skipped: int
    flagged: int
    seconds: float
    interrupted: bool = False
    failures: tuple[FileResult, ...] = ()
