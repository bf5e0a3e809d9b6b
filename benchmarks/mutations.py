"""Which check fires on which wrong output, and what the photons would allow at best.

Run from the checkout: ``python -m benchmarks.mutations [--number N]``. Prints the table of ``docs/quality.md``.
SNRs are those of the best filter in the noise at hand, white or correlated.

The *limit* of a mutation is the root of its Δχ²: the light that it changes, weighed by the true power of the
noise, for a test that knows the mutation and everything else about the scene. For a change of the whole image it
is given as well with all other such changes left free (shift, magnification, brightness, width, level), as no
honest test knows them. *Allowed* is how often a test at that limit would break the rule that fails: a peak of
p < 1e-5 somewhere in the image, or the excess over the limit of the keyword above 3σ.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.stats import norm

from lensproc.cutout import Cutout
from lensproc.enhanced import Enhanced
from lensproc.qc.calibration import Calibration
from lensproc.qc.changes import BRIGHTNESS, SHIFT_X, ZOOM, change_columns
from lensproc.qc.pair import side_by_side
from lensproc.qc.quick import quick_checks
from lensproc.qc.residual_peak import chance_of_peak
from lensproc.report.judgement import state_of
from tests.qc.scenes import Scene, enhanced, flux_of_snr, ideal, ideal_calibration, observe, quasar_scene

SIZE, FWHM = 64, 3.0
KEYS = (
    "QAFLX",
    "QABKG",
    "QASHFT",
    "QACHI2",
    "QACHIP",
    "QARHO1",
    "QANLOST",
    "QANHAL",
    "QADX",
    "QADMAG",
    "QANEG",
)


@dataclass(frozen=True)
class Mutation:
    """A wrong output.

    Parameters
    ----------
    name : str
        What it does, and by how much.
    seen : Scene
        What the input shows.
    output : Enhanced
        Input and wrong output.
    part : float
        Part of the change that is in excess of the limit that fails; 0 where a peak fails by its chance.
    column : int
        Which change of the whole image it is; -1 for none.
    """

    name: str
    seen: Scene
    output: Enhanced
    part: float = 0.0
    column: int = -1


def noise_power(lag1: float) -> np.ndarray:
    """Power of `tests.qc.scenes.noise_field` at the frequencies of a cutout."""
    k = 2.0 * np.pi * np.fft.fftfreq(SIZE)
    side = (1.0 - np.sqrt(1.0 - 2.0 * lag1**2)) / (2.0 * lag1) if lag1 else 0.0
    along = (1.0 + 2.0 * side * np.cos(k)) ** 2 / (1.0 + 2.0 * side**2)
    return along[:, None] * along


def variance_gain(lag1: float) -> float:
    """Variance of the flux of a star by the best filter, in units of that on white noise."""
    star = np.abs(np.fft.fft2(Scene(stars=((31.5, 31.5, 1.0),), fwhm=FWHM).render())) ** 2
    return float(star.sum() / (star / noise_power(lag1)).sum())


def mutations(scene: Scene, seed: int, lag1: float, width: float) -> Iterator[Mutation]:
    """Wrong outputs of a scene."""

    def observed(of: Scene) -> Cutout:
        return observe(of, np.random.default_rng(seed), lag1=lag1)

    cutout = observed(scene)
    flux = flux_of_snr(10.0, FWHM, variance_gain(lag1))
    angle = np.arctan2(scene.stars[0][1] - 31.5, scene.stars[0][0] - 31.5) + 1.4
    ring = scene.ring_radius * np.array([np.cos(angle), np.sin(angle)]) + 31.5
    more, beside = (
        replace(scene, stars=(*scene.stars, star))
        for star in ((20.3, 46.1, flux), (float(ring[0]), float(ring[1]), flux))
    )
    alone = replace(scene, stars=scene.stars[:1])
    moved = replace(
        scene, stars=tuple((x + 0.3, y, f) for x, y, f in scene.stars), center=(31.8, scene.center[1])
    )
    at = np.arange(2 * SIZE) * (SIZE - 1) / (2 * SIZE - 1)
    zoomed = map_coordinates(scene.render(), np.meshgrid(at, at, indexing="ij"), order=3, mode="nearest")
    psf = "same" if width == 1.0 else width
    fine = scene.render(2, width)
    yield Mutation("erases a source of SNR 10", more, ideal(scene, observed(more), width=width))
    yield Mutation("invents a source of SNR 10", scene, ideal(more, cutout, width=width))
    yield Mutation("invents one on the ring", scene, ideal(beside, cutout, width=width))
    yield Mutation("loses the second quasar", scene, ideal(alone, cutout, width=width))
    yield Mutation("loses 8 % of the flux", scene, enhanced(cutout, 0.92 * fine, 2, psf), 1.0, BRIGHTNESS)
    yield Mutation("shifts by 0.3 px", scene, ideal(moved, cutout, width=width), 2.0 / 3.0, SHIFT_X)
    yield Mutation("adds half a sky sigma", scene, enhanced(cutout, fine + 0.5, 2, psf), 0.4)
    # the centre of the edge pixel is a quarter of an input pixel off, and the limit is 0.1 px
    yield Mutation("zooms corner-aligned", scene, enhanced(cutout, zoomed, 2), 0.6, ZOOM)
    wiped = np.where(scene.render(2) > 2.0, scene.render(2), 0.0)
    yield Mutation("wipes out light below 2 sigma", scene, enhanced(cutout, wiped, 2))


def photon_limit(mutation: Mutation, lag1: float) -> tuple[float, float]:
    """Root of Δχ² of a mutation: with all else known, and with other changes of the whole image left free."""
    pair = side_by_side(mutation.output)
    assert pair is not None
    assert pair.hy is not None
    truth = mutation.seen.render()
    # pair.hy is less the measured sky, which the best test knows
    change = np.where(pair.judged, pair.hy * pair.noise.level + pair.noise.sky - truth, 0.0)
    power = noise_power(lag1)

    def weighed(image: np.ndarray) -> np.ndarray:
        return np.where(pair.judged, np.fft.ifft2(np.fft.fft2(image) / power).real, 0.0)

    whole = weighed(change)
    best = float((whole * change).sum())
    if mutation.column < 0:
        return np.sqrt(best), np.sqrt(best)
    columns = change_columns(truth, truth) * pair.judged
    others = [column for i, column in enumerate(columns) if i != mutation.column]
    cross = np.array([(whole * column).sum() for column in others])
    normal = np.array([[(weighed(a) * b).sum() for b in others] for a in others])
    return np.sqrt(best), np.sqrt(max(best - cross @ np.linalg.solve(normal, cross), 0.0))


def peak_needed() -> float:
    """Significance of a peak that has a chance of 1e-5 in a cutout, for a matched filter of the PSF."""
    peaks = np.linspace(4.0, 8.0, 401)
    gradient = 0.5 / (FWHM / 2.3548) ** 2
    return float(peaks[np.argmin([abs(chance_of_peak(p, 58**2, gradient) - 1e-5) for p in peaks])])


def fired(output: Enhanced, calibration: Calibration) -> tuple[str, list[str]]:
    """QASTAT of a wrong output, and the keywords that fail."""
    qa = quick_checks(output, calibration).qa
    keys = []
    for name in KEYS:
        value = qa[name]
        chance = float(value.description.rsplit("p=", 1)[1]) if "p=" in value.description else None
        number = None if value.value is None else float(value.value)
        if state_of(name, number, value.error, chance) == "FAIL":
            keys.append(name)
    return str(qa["QASTAT"].value), keys


def mutation_table(number: int) -> None:
    """Print a line per noise, SNR of the scene and mutation."""
    needed = peak_needed()
    print(f"a peak fails from {needed:.1f} sigma; limit: median root of delta chi2, all else known / free")
    for lag1 in (0.0, 0.4):
        gain = np.sqrt(variance_gain(lag1))
        for snr in (10, 20, 50, 100, 300):
            rng = np.random.default_rng(snr)
            words: dict[str, Counter[str]] = {}
            keys: dict[str, Counter[str]] = {}
            limits: dict[str, list[tuple[float, float, float]]] = {}
            for seed in range(number):
                scene = quasar_scene(rng, (snr * gain, max(0.5 * snr, 10.0) * gain))
                width = 1.0 if seed % 2 else 0.5
                for each in mutations(scene, seed, lag1, width):
                    word, names = fired(
                        each.output, ideal_calibration(1.0 if each.output.output_psf == "same" else width)
                    )
                    words.setdefault(each.name, Counter())[word] += 1
                    keys.setdefault(each.name, Counter()).update(names)
                    known, free = photon_limit(each, lag1)
                    excess = each.part * free - 3.0 if each.part else known - needed
                    limits.setdefault(each.name, []).append((known, free, float(norm.cdf(excess))))
            for name, count in words.items():
                table = np.array(limits[name])
                known, free = np.median(table[:, :2], axis=0)
                allowed = float(table[:, 2].mean())
                said = " ".join(f"{key}:{n}" for key, n in keys[name].most_common(4))
                print(
                    f"lag-1 {lag1} SNR {snr:3} {name:29} FAIL {count['FAIL']:2} WARN {count['WARN']:2} of {number}"
                    f" | limit {known:6.1f} / {free:6.1f} allowed {allowed:.2f} | {said}",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--number", type=int, default=20, help="scenes per setting")
    mutation_table(parser.parse_args().number)


if __name__ == "__main__":
    main()
