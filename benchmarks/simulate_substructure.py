"""How visible substructure is: Δχ² after refitting the Einstein radius and the place of the source, at SNR 25.

For each class and total mass the noise-free image of a lens with substructure is fitted by a smooth lens (free:
θ_E, source x and y, brightness; everything else true), and χ² of what is left is taken with the noise of the
recipe.
Prints JSON with the median and the 16th and 84th percentile; with --plot draws them.

    OMP_NUM_THREADS=1 python benchmarks/simulate_substructure.py --lenses 40 --plot docs/simulate
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from lensproc.simulate.image import simulate
from lensproc.simulate.mass import Deflector
from lensproc.simulate.recipe import Recipe, load_recipe
from lensproc.simulate.scene import noise_free_image

CASES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "sphere (slope -0.9)": [
        ("sphere", {"masses": [1e5, 1e9]}),
        ("sphere", {"masses": [3e5, 3e9]}),
        ("sphere", {}),
    ],
    "sphere (slope -1.9)": [("sphere", {"slope": -1.9})],
    "cdm": [("cdm", {"fraction": f}) for f in (0.003, 0.01, 0.03)],
    "vortex": [("vortex", {"mass": m}) for m in (1e9, 3e9, 1e10, 3e10)],
}


def refit(recipe: Recipe, index: int) -> tuple[float, float]:
    """Total mass of the substructure [M_sun], and Δχ² that a smooth lens leaves."""
    sim = simulate(recipe, 0, "test", index)
    scene = sim.scene
    assert scene.deflector is not None
    data = sim.exposure.noise_free.astype(np.float64)
    sigma = np.sqrt(sim.exposure.expected_variance.astype(np.float64))
    main, shear = (dict(kw) for kw in scene.deflector.kwargs[:2])
    (light,) = scene.source.kwargs

    def residual(p: np.ndarray) -> np.ndarray:
        lens = Deflector(("SIE", "SHEAR"), ({**main, "theta_E": p[0]}, shear))
        moved = {**light, "center_x": p[1], "center_y": p[2], "amp": light["amp"] * p[3]}
        source = replace(scene.source, kwargs=(moved,))
        model = noise_free_image(replace(scene, deflector=lens, source=source), scene.frame, scene.psf)
        return np.asarray(((data - model) / sigma).ravel())

    start = np.array([scene.einstein_radius, light["center_x"], light["center_y"], 1.0])
    fit = least_squares(residual, start, x_scale=[0.01, 0.01, 0.01, 0.1], xtol=1e-10)
    return float(scene.subhalos.mass.sum()), float(2.0 * fit.cost)


def measure(lenses: int) -> list[dict[str, Any]]:
    base = load_recipe("deeplense-1")
    rows = []
    for name, cases in CASES.items():
        for kind, options in cases:
            tables = {**base.tables, "substructure": {kind: options}}
            recipe = replace(base, classes=(kind,), tables=tables)
            results = np.array(
                [refit(recipe, i) for i in range(lenses if kind != "cdm" else max(5, lenses // 2))]
            )
            low, middle, high = np.percentile(results[:, 1], [16, 50, 84])
            rows.append(
                {
                    "class": name,
                    "options": options,
                    "median_total_mass": float(np.median(results[:, 0])),
                    "mean_total_mass": float(np.mean(results[:, 0])),
                    "delta_chi2_median": round(float(middle), 2),
                    "delta_chi2_16": round(float(low), 2),
                    "delta_chi2_84": round(float(high), 2),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    return rows


def plot(rows: list[dict[str, Any]], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.5, 4.2))
    for name in CASES:
        mine = [row for row in rows if row["class"] == name]
        x = [row["median_total_mass"] for row in mine]
        y = np.array([row["delta_chi2_median"] for row in mine])
        errors = [y - [r["delta_chi2_16"] for r in mine], [r["delta_chi2_84"] for r in mine] - y]
        axes.errorbar(x, y, errors, marker="o", capsize=3, label=name)
    axes.axhline(25.0, color="0.6", lw=1, ls="--")
    axes.text(axes.get_xlim()[0] * 1.1, 27.0, "Δχ² = 25", color="0.4", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="total mass of the substructure [M$_\\odot$]")
    axes.set_ylabel("Δχ² left by a smooth lens, SNR 25")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(folder / "substructure.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lenses", type=int, default=40)
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    rows = measure(options.lenses)
    if options.plot:
        options.plot.mkdir(parents=True, exist_ok=True)
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
