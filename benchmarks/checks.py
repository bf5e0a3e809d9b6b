"""What the quality checks are worth: ideal enhancers, mutations, and the finder, on simulated quasar lenses.

Run from the checkout: ``python -m benchmarks.checks [--number N]``. Prints the tables of ``docs/quality.md``.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np

from benchmarks.mutations import mutation_table
from lensproc.qc.calibration import measure_calibration
from lensproc.qc.candidates import candidates_in, candidates_out
from lensproc.qc.matching import match_one_to_one
from lensproc.qc.pair import side_by_side
from lensproc.qc.quick import quick_checks
from tests.qc.scenes import (
    bicubic,
    bicubic_enhancer,
    ideal,
    ideal_calibration,
    observe,
    quasar_scene,
)


def ideal_enhancers(number: int) -> None:
    """How often an ideal enhancer fails, and how the chance of its residual's peak is spread."""
    total: Counter[str] = Counter()
    chances, chi2 = [], []
    for lag1 in (0.0, 0.4):
        for snr in (5, 10, 20, 50, 100, 300):
            for width in (1.0, 0.5):
                rng = np.random.default_rng(int(10 * snr + 10 * lag1))
                count: Counter[str] = Counter()
                for _ in range(number):
                    scene = quasar_scene(rng, (snr, 0.6 * snr))
                    cutout = observe(scene, rng, lag1=lag1)
                    qa = quick_checks(ideal(scene, cutout, width=width), ideal_calibration(width)).qa
                    count[str(qa["QASTAT"].value)] += 1
                    chances.append(float(qa["QACHIP"].description.rsplit("p=", 1)[1]))
                    chi2.append(float(qa["QACHI2"].value or 0.0))
                total += count
                print(f"lag-1 {lag1} SNR {snr:3} width {width}: {dict(count)}")
    p = np.array(chances)
    print(f"all: {dict(total)}; chi2 {np.mean(chi2):.3f}")
    print("  ".join(f"p < {t}: {np.mean(p < t):.3f}" for t in (0.01, 0.1, 0.5)))


def finder(number: int) -> None:
    """Completeness and purity of the recipe and of the library's defaults."""
    from astropy.stats import mad_std
    from photutils.detection import DAOStarFinder

    calibration = measure_calibration(bicubic_enhancer(), blanks=16)

    def naive(image: np.ndarray, fwhm: float, scale: int) -> tuple[np.ndarray, np.ndarray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = DAOStarFinder(threshold=5 * mad_std(image), fwhm=fwhm)(image - np.median(image))
        if table is None:
            return np.zeros(0), np.zeros(0)
        return (table["x_centroid"] + 0.5) / scale - 0.5, (table["y_centroid"] + 0.5) / scale - 0.5

    for clumps in (0, 3):
        for spread in ("even", "log"):
            for lag1 in (0.0, 0.4):
                rng = np.random.default_rng(5)
                hits: dict[str, list[int]] = {}
                bins: dict[str, np.ndarray] = {}
                for _ in range(number):
                    snr = (
                        rng.uniform(5, 100, 2)
                        if spread == "even"
                        else np.exp(rng.uniform(*np.log([5, 100]), 2))
                    )
                    scene = quasar_scene(rng, tuple(snr * np.sqrt(1.0 + 3.0 * lag1)))
                    knots = tuple((rng.uniform(0, 2 * np.pi), rng.uniform(1, 5)) for _ in range(clumps))
                    scene = replace(
                        scene, lens_peak=rng.uniform(20, 60), ring_peak=rng.uniform(2, 8), clumps=knots
                    )
                    pair = side_by_side(bicubic(observe(scene, rng, lag1=lag1)))
                    assert pair is not None
                    truth = tuple(np.array([star[i] for star in scene.stars]) for i in (0, 1))
                    mine, out = candidates_in(pair)[0], candidates_out(pair, calibration)[0]
                    found = {
                        "input": (mine.x, mine.y),
                        "bicubic": (out.x, out.y),
                        "naive input": naive(pair.x, 3.0, 1),
                        "naive bicubic": naive(pair.y, 6.0, 2),
                    }
                    for name, places in found.items():
                        i, _ = match_one_to_one((truth[0], truth[1]), places, 1.5)
                        old = hits.setdefault(name, [0, 0, 0])
                        hits[name] = [old[0] + i.size, old[1] + 2, old[2] + len(places[0])]
                        counted = bins.setdefault(name, np.zeros((2, 3)))
                        for k in range(2):
                            which = int(np.digitize(snr[k], [10, 20]))
                            counted[:, which] += k in i, 1
                for name, (right, stars, all_found) in hits.items():
                    parts = " ".join(f"{v:.2f}" for v in bins[name][0] / np.maximum(bins[name][1], 1))
                    print(
                        f"{clumps} clumps, SNR {spread}, lag-1 {lag1}: {name:14} completeness {right / stars:.2f} "
                        f"({parts} at 5-10, 10-20, 20-100) purity {right / max(all_found, 1):.2f}"
                    )


def speed(number: int) -> None:
    """Time of the quick checks on 75 px brought to 150 px, against a network of four residual blocks."""
    import torch
    from torch import nn

    from lensproc.engine.device import prepare_torch

    prepare_torch(1)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            parts = (nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.PReLU())
            self.layers = nn.Sequential(*parts, nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.layers(x)

    head, tail = nn.Conv2d(1, 64, 9, padding=4), nn.Conv2d(64, 1, 9, padding=4)
    up = (nn.Conv2d(64, 256, 3, padding=1), nn.PixelShuffle(2), nn.PReLU())
    network = nn.Sequential(head, nn.PReLU(), *[Block() for _ in range(4)], *up, tail).eval()
    network = network.to(memory_format=torch.channels_last)
    images = torch.rand(4, 1, 75, 75).to(memory_format=torch.channels_last)
    rng = np.random.default_rng(0)
    scene = replace(quasar_scene(rng, (50.0, 25.0)), size=75, center=(37.0, 37.0))
    pair, calibration = bicubic(observe(scene, rng)), ideal_calibration(1.0)
    ratios, times = [], []
    with torch.inference_mode():
        network(images)
        quick_checks(pair, calibration)
        for _ in range(max(number, 5)):
            start = time.process_time()
            network(images)
            middle = time.process_time()
            for _ in range(4):
                quick_checks(pair, calibration)
            end = time.process_time()
            times.append((end - middle) / 4)
            ratios.append((end - middle) / (middle - start))
    print(
        f"quick checks: {1e3 * np.median(times):.1f} ms of one core, {np.median(ratios):.2f} of the network"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20, help="scenes per setting")
    parser.add_argument("--only", choices=["ideal", "mutations", "finder", "speed"], help="one table")
    arguments = parser.parse_args()
    tables = {"ideal": ideal_enhancers, "mutations": mutation_table, "finder": finder, "speed": speed}
    for name, table in tables.items():
        if arguments.only in (None, name):
            print(f"\n## {name}")
            table(arguments.number)


if __name__ == "__main__":
    main()
