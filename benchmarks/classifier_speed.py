"""``lensproc run --no-images`` with a classifier against its bare network, on 150 px files.

The bare network gets the tensors that the stage gave it, in memory, in the same batches and with the same views,
in as many processes of one thread as the run has. Rates of the run are marginal: a long less a short run, so that
start-up does not count. Rounds interleave both; medians are printed. Other load on the machine falsifies them.

Usage: python benchmarks/classifier_speed.py WEIGHTS.safetensors [--files 600] [--rounds 5] [--jobs 2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from classifier_files import classifier

RECIPE, SEED = "common-test", 20260206
IN_MEMORY = 64
"""Cutouts that each bare process holds."""


@dataclass(frozen=True)
class Cost:
    """What something took.

    Parameters
    ----------
    wall : float
        Seconds by the clock.
    count : int
        Cutouts.
    """

    wall: float
    count: int


def write_files(folder: Path, number: int) -> list[str]:
    """Write simulated cutouts of 150 px, without their truth."""
    from lensproc.simulate.image import simulate
    from lensproc.simulate.layouts import hdulist
    from lensproc.simulate.recipe import load_recipe

    folder.mkdir()
    recipe, paths = load_recipe(RECIPE), []
    for index in range(number):
        path = folder / f"lens-{index:06d}.fits"
        hdulist(simulate(recipe, SEED, "test", index)).writeto(path)
        paths.append(str(path))
    return paths


def run_cost(files: list[str], weights: str, scratch: Path, jobs: int) -> Cost:
    """Wall time of a fresh run over files, which must succeed."""
    method = classifier(weights)
    listed = scratch / f"{len(files)}.txt"
    listed.write_text("\n".join(files), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "lensproc.cli", "run", "--manifest", str(listed), "--stages", method.stage),
        *("--set", f"{method.stage}.weights={Path(weights).resolve()}", "--no-images", "--no-resume"),
        *("--jobs", str(jobs), "--device", "cpu", "-o", str(scratch / "out")),
    ]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:8])} …\n{done.stdout}{done.stderr}")
    return Cost(wall, len(files))


def bare_cost(files: list[str], weights: str, jobs: int, seconds: float) -> Cost:
    """Time of the network alone, in `jobs` processes that start together."""
    command = [sys.executable, __file__, weights, "--bare", str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    parts = [files[i::jobs][:IN_MEMORY] for i in range(jobs)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen([*command, *part], stdin=pipe, stdout=pipe, text=True, env=environment)
        for part in parts
    ]
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise SystemExit("the bare network did not start")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [json.loads(process.communicate()[0]) for process in processes]
    return Cost(max(one[0] for one in said), sum(one[1] for one in said))


def bare(weights: str, files: list[str], seconds: float) -> None:
    """Catch what the stage gives its network, then time the network for so long (a process of `bare_cost`)."""
    import torch

    from lensproc.contract import classifier_stage
    from lensproc.evaluate.scoring.methods import open_method
    from lensproc.fits.read import read

    caught = []
    original = classifier_stage.outputs_of_views

    def catch(*arguments):
        caught.append(arguments)
        return original(*arguments)

    classifier_stage.outputs_of_views = catch
    open_method(classifier(weights))([cutout for file in files for cutout in read(file)])
    print("ready", flush=True)
    sys.stdin.readline()
    wall, count = time.perf_counter(), 0
    with torch.inference_mode():
        while time.perf_counter() - wall < seconds:
            for arguments in caught:
                original(*arguments)
            count += len(files)
    print(json.dumps([time.perf_counter() - wall, count]))


def main() -> None:
    """Measure and print one JSON object per figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", metavar="WEIGHTS.safetensors")
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--short", type=int, default=120, help="files of the short run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="cores for either")
    parser.add_argument("--bare", type=float, help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.bare is not None:
        bare(options.weights, rest, options.bare)
        return
    walls: dict[str, list[float]] = {"run": [], "network": []}
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        files = write_files(scratch / "in", options.files)
        for _ in range(options.rounds):
            few = run_cost(files[: options.short], options.weights, scratch, options.jobs)
            many = run_cost(files, options.weights, scratch, options.jobs)
            alone = bare_cost(files, options.weights, options.jobs, many.wall)
            walls["run"].append((many.wall - few.wall) / (many.count - few.count))
            walls["network"].append(alone.wall / alone.count)
    for name, values in walls.items():
        rate = round(1 / statistics.median(values), 1)
        print(json.dumps({"what": name, "jobs": options.jobs, "cutouts_per_s": rate}))
    ratio = statistics.median(n / r for n, r in zip(walls["network"], walls["run"], strict=True))
    print(json.dumps({"ratio": "run / bare network (goal >= 0.8)", "value": round(ratio, 2)}))


if __name__ == "__main__":
    main()
