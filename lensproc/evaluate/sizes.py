"""How much is measured: everything, or enough for a first look in a minute."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Numbers of trials.

    Parameters
    ----------
    blanks, control, quasars : int
        Empty fields, lenses without a quasar, lenses with quasars and stars.
    hosts : int
        Lenses into which stars are injected, one per SNR and place each.
    snrs : tuple of float
        Of the injected stars.
    separations : tuple of float
        Of pairs [FWHM].
    ratios, pair_snrs : tuple of float
        Flux ratios of pairs, and SNR of the brighter star.
    pairs, singles : int
        Pairs per cell, single stars per SNR.
    steady : int
        Scenes on which stability is measured.
    repeats : int
        Scenes that are exposed twice.
    """

    blanks: int
    control: int
    quasars: int
    hosts: int
    snrs: tuple[float, ...]
    separations: tuple[float, ...]
    ratios: tuple[float, ...]
    pair_snrs: tuple[float, ...]
    pairs: int
    singles: int
    steady: int
    repeats: int


FULL = Sizes(
    blanks=3000,
    control=1000,
    quasars=300,
    hosts=100,
    snrs=(3.0, 5.0, 7.0, 10.0, 20.0, 50.0, 100.0),
    separations=(0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0),
    ratios=(1.0, 3.0, 10.0),
    pair_snrs=(30.0, 100.0),
    pairs=40,
    singles=500,
    steady=20,
    repeats=40,
)

QUICK = Sizes(
    blanks=100,
    control=24,
    quasars=24,
    hosts=8,
    snrs=(5.0, 10.0, 20.0, 50.0),
    separations=(0.5, 0.7, 0.9, 1.2, 2.0),
    ratios=(1.0, 3.0),
    pair_snrs=(30.0, 100.0),
    pairs=4,
    singles=10,
    steady=2,
    repeats=4,
)
"""A run of about a minute on two cores with a light stage."""
