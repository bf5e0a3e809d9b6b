"""θ_E by a lenstronomy fit and by the stage ``sis`` of the same simulated lenses, side by side.

Run from the checkout:

    python -m benchmarks.sis_fit_rows ROWS [--recipe hst-acs] [--number 20] [--set sis.weights=FILE]

Fits the first lenses of the test stream whose arcs have SNR ≥ 25. Each fit is written to the folder ROWS as it
ends and is not fitted again. Bias, scatter and coverage are those of ``sis_theta_e``. A fit is good, by
what it shows itself, where no parameter of the mass ended at a bound and χ² per pixel is 3 at most.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.sis_fit import fit
from benchmarks.sis_fit_data import Observed
from benchmarks.sis_theta_e import ENOUGH, Row, lens, line, rows_of, snr_of

KEPT = ("recipe", "index", "truth", "found", "error", "snr", "seconds")
"""What a `Row` takes of a fit."""


def chosen(recipe: str, number: int) -> list[int]:
    """First lenses of a recipe with SNR enough."""
    found: list[int] = []
    for index in count():
        if len(found) == number:
            return found
        if snr_of(lens(recipe, index)) >= ENOUGH:
            found.append(index)
    return found


def fitted(folder: Path, recipe: str, index: int) -> dict[str, Any]:
    """Fit a lens, unless the folder has it."""
    file = folder / f"{recipe}-{index}.json"
    if not file.exists():
        sim = lens(recipe, index)
        begin = time.process_time()
        found = fit(Observed.of(sim))
        content = {
            "recipe": recipe,
            "index": index,
            "truth": sim.scene.einstein_radius,
            "found": found.theta_e,
            "error": found.error,
            "snr": snr_of(sim),
            "seconds": time.process_time() - begin,
            "chi2": found.chi2,
            "bounded": found.bounded,
            "good": found.good,
            "clumps": found.clumps,
            "neighbours": found.neighbours,
            "parameters": found.p.tolist(),
        }
        file.write_text(json.dumps(content, indent=1))
        print(json.dumps({key: content[key] for key in list(content)[:-1]}), flush=True)
    content = json.loads(file.read_text())
    assert isinstance(content, dict)
    return content


def main() -> None:
    """Fit, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--recipe", default="hst-acs")
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--set", action="append", default=[], metavar="STAGE.OPTION=VALUE")
    given = parser.parse_args()
    given.rows.mkdir(parents=True, exist_ok=True)
    fits, good = [], []
    settings: dict[str, object] = dict(entry.split("=", 1) for entry in given.set)
    for index in chosen(given.recipe, given.number):
        content = fitted(given.rows, given.recipe, index)
        fits.append(Row(**{name: content[name] for name in KEPT}))
        good.append(content["good"])
    ours = rows_of(given.recipe, [row.index for row in fits], settings)
    for name, rows in (("lenstronomy", fits), ("sis", ours)):
        print(line(f"{name}, {given.recipe}", rows))
        print(line(f"{name}, {given.recipe}, fit good", [r for r, g in zip(rows, good, strict=True) if g]))


if __name__ == "__main__":
    main()
