"""``lensproc run`` against the naive script, against its bound, and with checks on against off.

Rates are marginal: the difference of a long and a short run divided by the difference of their file
counts, so that start-up does not count. Every command runs alone; the rounds interleave them; medians are printed.
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
from collections.abc import Callable
from pathlib import Path

from benchmark_plugin import install_into
from cutout_files import write_cutouts

HERE = Path(__file__).parent


def seconds_of(command: list[str], environment: dict[str, str]) -> float:
    """Wall time of a command that must succeed."""
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:8])} …\n{done.stderr}")
    return time.perf_counter() - started


def marginal(
    make: Callable[[list[str]], list[str]], files: list[str], short: int, env: dict[str, str]
) -> float:
    """Seconds per file beyond the first `short` files."""
    few = seconds_of(make(files[:short]), env)
    return (seconds_of(make(files), env) - few) / (len(files) - short)


def lensproc(out: Path, *options: str) -> Callable[[list[str]], list[str]]:
    """Command line of a fresh run into `out`."""
    base = [sys.executable, "-m", "lensproc.cli", "run", "-o", str(out), "--no-resume", *options]

    def make(files: list[str]) -> list[str]:
        return [*base, "--manifest", write_list(out, files)]

    return make


def write_list(out: Path, files: list[str]) -> str:
    """Write the input list beside the output folder and return its path."""
    path = out.with_suffix(f".{len(files)}.txt")
    path.write_text("\n".join(files))
    return str(path)


def naive(kind: str, out: Path) -> Callable[[list[str]], list[str]]:
    """Command line of the naive script."""
    return lambda files: [sys.executable, str(HERE / "naive_script.py"), kind, str(out), *files]


CORE_TIMES = """
import sys, time, json
sys.path.insert(0, {here!r})
import torch, numpy as np
from astropy.io import fits
from benchmark_plugin import bare_network
from lensproc.engine.device import prepare_torch
prepare_torch(1)
net = bare_network("{stage}")
x = torch.randn(8, 1, 75, 75).contiguous(memory_format=torch.channels_last)
with torch.inference_mode():
    for _ in range(3): net(x)
    t = time.process_time()
    for _ in range(12): net(x)
    network = (time.process_time() - t) / 96
files = sys.argv[1:]
t = time.process_time()
for f in files:
    with fits.open(f) as h:
        planes = [np.asarray(h[n].data) for n in ("SCI", "ERR", "DQ")]; header = h["SCI"].header.copy()
    up = [p.repeat(2, 0).repeat(2, 1) for p in planes]
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(up[0], header, name="SCI"), fits.ImageHDU(up[1], name="ERR"),
                  fits.ImageHDU(up[2], name="DQ")]).writeto("{out}", overwrite=True)
print(json.dumps([network, (time.process_time() - t) / len(files)]))
"""


def core_times(files: list[str], scratch: Path, env: dict[str, str], stage: str) -> tuple[float, float]:
    """Core seconds per cutout of the bare network, and of one astropy read and write."""
    code = CORE_TIMES.format(here=str(HERE), out=scratch / "alone.fits", stage=stage)
    one = {**env, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code, *files[:100]], env=one, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    network, io = json.loads(done.stdout)
    return network, io


def main() -> None:
    """Measure and print one JSON object per ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stage", default="four-blocks", choices=("four-blocks", "lens-sr"))
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        install_into(scratch / "site")
        env = {**os.environ, "PYTHONPATH": str(scratch / "site")}
        files = [str(p) for p in write_cutouts(scratch / "in", options.files)]
        off, quick = ("--checks", "none"), ("--checks", "quick")
        # the cutouts name no PSF; lens-sr needs one
        psf = ("--psf", "3px") if options.stage == "lens-sr" else ()
        network = ("--stages", options.stage, *psf)
        runs = {
            "naive bicubic": (naive("bicubic", scratch / "o1"), 100),
            "lensproc bicubic": (lensproc(scratch / "o2", "--stages", "bicubic", *off), 100),
            "naive network": (naive(options.stage, scratch / "o3"), 20),
            "lensproc network": (lensproc(scratch / "o4", *network, *off), 80),
            "lensproc network, checks": (lensproc(scratch / "o5", *network, *quick), 80),
        }
        seen: dict[str, list[float]] = {name: [] for name in runs}
        bounds = []
        for _ in range(options.rounds):
            for name, (make, short) in runs.items():
                part = files if "network" not in name else files[: max(short + 100, options.files // 2)]
                seen[name].append(marginal(make, part, short, env))
            alone, io = core_times(files, scratch, env, options.stage)
            bounds.append((alone + io) / cores)
        median = {name: statistics.median(values) for name, values in seen.items()}
        for name, value in median.items():
            print(
                json.dumps(
                    {
                        "command": name,
                        "ms_per_file": round(1e3 * value, 2),
                        "files_per_s": round(1 / value, 1),
                    }
                )
            )
        bound = statistics.median(bounds)
        ratios = {
            "bicubic: naive / lensproc (goal >= 1.5)": median["naive bicubic"] / median["lensproc bicubic"],
            "network: naive / lensproc (goal >= 2)": median["naive network"] / median["lensproc network"],
            "network: bound / lensproc (goal >= 0.9)": bound / median["lensproc network"],
            "network: checks on / off (goal <= 1.5)": median["lensproc network, checks"]
            / median["lensproc network"],
        }
        for name, value in ratios.items():
            print(json.dumps({"ratio": name, "value": round(value, 2)}))


if __name__ == "__main__":
    main()
