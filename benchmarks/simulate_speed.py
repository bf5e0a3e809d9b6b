"""Speed of the simulator against a bare lenstronomy loop, and memory of a large set.

Prints JSON. The bare loop draws the same substructure, calls lenstronomy's ImageModel and adds noise, once with
the models built for each image, as a script written by hand would, and once built beforehand; ours draws the
whole recipe. All run on one thread in one process; medians of several alternating rounds are compared.

    OMP_NUM_THREADS=1 python benchmarks/simulate_speed.py --images 60 --rounds 5
    python benchmarks/simulate_speed.py --memory 10000
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lensproc.simulate.cosmology import geometry
from lensproc.simulate.folder import plan_for, run_plan
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import Recipe, load_recipe
from lensproc.simulate.substructure import draw_substructure
from lensproc.simulate.truth import truth_hdulist

SIZE, SCALE, FWHM = 150, 0.05, 0.087


class BareLoop:
    """Images of the public recipe by lenstronomy's own classes.

    Parameters
    ----------
    kind : str
        Substructure class.
    prebuilt : bool
        Build lenstronomy's models once per number of masses instead of once per image.
    """

    def __init__(self, kind: str, prebuilt: bool) -> None:
        self.kind = kind
        self.prebuilt = prebuilt
        self.rng = np.random.default_rng(0)
        self.models: dict[tuple[str, ...], Any] = {}

    def __call__(self, index: int) -> np.ndarray:
        """Make one image."""
        halos = draw_substructure(self.kind, {}, geometry(0.5, 1.0), 1.665, self.rng)
        names = ("SIE", "SHEAR", *(halos.model for _ in halos.kwargs))
        if not self.prebuilt or names not in self.models:
            self.models = {**(self.models if self.prebuilt else {}), names: image_model(names)}
        lens: list[dict[str, float]] = [
            {"theta_E": 1.665, "e1": 0.1, "e2": 0.0, "center_x": 0.0, "center_y": 0.0},
            {"gamma1": 0.05, "gamma2": 0.0},
            *(dict(kw) for kw in halos.kwargs),
        ]
        x, y = self.rng.uniform(-0.35, 0.35, size=2)
        source = {"amp": 2e4, "R_sersic": 0.25, "n_sersic": 1.0, "e1": -0.1, "e2": 0.1}
        clean = self.models[names].image(lens, [{**source, "center_x": x, "center_y": y}])
        noisy = self.rng.poisson(clean) + self.rng.normal(0.0, 15.0, size=clean.shape)
        return np.asarray(noisy, np.float32)


def image_model(lens_models: tuple[str, ...]) -> Any:
    """Build lenstronomy's ImageModel for these lenses."""
    from lenstronomy.Data.imaging_data import ImageData
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    corner = -0.5 * (SIZE - 1) * SCALE
    data = ImageData(
        image_data=np.zeros((SIZE, SIZE)),
        background_rms=1.0,
        exposure_time=1.0,
        ra_at_xy_0=corner,
        dec_at_xy_0=corner,
        transform_pix2angle=np.eye(2) * SCALE,
    )
    return ImageModel(
        data,
        PSF(psf_type="GAUSSIAN", fwhm=FWHM, pixel_size=SCALE, truncation=5),
        lens_model_class=LensModel(list(lens_models)),
        source_model_class=LightModel(["SERSIC_ELLIPSE"]),
        kwargs_numerics={"supersampling_factor": 1},
    )


def seconds_per_image(function: Callable[[int], object], images: int) -> float:
    started = time.perf_counter()
    for index in range(images):
        function(index)
    return (time.perf_counter() - started) / images


def compare(images: int, rounds: int) -> dict[str, object]:
    base = load_recipe("deeplense-1")
    result: dict[str, object] = {}
    for kind in ("no", "sphere", "vortex", "cdm"):
        recipe = replace(base, classes=(kind,))
        count = max(4, images // 10) if kind == "cdm" else images

        def ours(index: int, recipe: Recipe = recipe) -> object:
            return simulate(recipe, 0, "train", index)

        loops = (ours, BareLoop(kind, False), BareLoop(kind, True))
        for loop in loops:
            seconds_per_image(loop, 2)
        times = [[seconds_per_image(loop, count) for loop in loops] for _ in range(rounds)]
        mine, bare, prebuilt = (statistics.median(t[i] for t in times) for i in range(3))
        result[kind] = {
            "images_per_second": round(1.0 / mine, 1),
            "bare_per_second": round(1.0 / bare, 1),
            "bare_prebuilt_per_second": round(1.0 / prebuilt, 1),
            "time_over_bare": round(statistics.median(t[0] / t[1] for t in times), 3),
            "time_over_bare_prebuilt": round(statistics.median(t[0] / t[2] for t in times), 3),
        }
    return result


def with_truth(images: int) -> dict[str, float]:
    """Images per second with all truth planes and FITS files, one process."""
    result = {}
    for name in ("common-test", "quasars", "quasars@hst-acs"):
        with tempfile.TemporaryDirectory() as folder:
            plan = plan_for(load_recipe(name), images, 1, "train", Path(folder))
            result[f"{name} to FITS with truth"] = round(images / _timed(lambda plan=plan: run_plan(plan)), 1)
        sims = [simulate(load_recipe(name), 1, "train", i) for i in range(3)]
        seconds = _timed(lambda sims=sims: [truth_hdulist(sim) for sim in sims]) / len(sims)
        result[f"{name} truth planes alone [s]"] = round(seconds, 4)
    return result


def _timed(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


class PeakMemory(threading.Thread):
    """Largest sum of the resident memory [MiB] of all processes of this process group, sampled from /proc."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.finished = threading.Event()

    def run(self) -> None:
        """Sample until finished."""
        while not self.finished.wait(0.2):
            self.peak = max(self.peak, sum(map(_resident, _process_group())))


def _process_group() -> list[Path]:
    group = os.getpgrp()
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            found.append(path.parent)
    return found


def _resident(process: Path) -> float:
    try:
        pages = int((process / "statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(number: int, jobs: int) -> dict[str, object]:
    """Peak memory of all processes together while a set of ``common-test`` arrays is made (Linux)."""
    os.setpgrp()
    watch = PeakMemory()
    watch.start()
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_for(load_recipe("common-test"), number, 1, "train", Path(folder), "arrays")
        seconds = _timed(lambda: run_plan(plan, jobs))
    watch.finished.set()
    watch.join()
    return {
        "images": number,
        "processes": jobs,
        "images_per_second": round(number / seconds, 1),
        "peak_of_all_processes_mib": round(watch.peak),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--memory", type=int, metavar="NUMBER", help="only measure the memory of a set of this size"
    )
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(memory(options.memory, options.jobs), indent=1))
        return
    result = {"150 px": compare(options.images, options.rounds), "fits": with_truth(options.images)}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
