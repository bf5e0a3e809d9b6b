"""Peak memory and time per file of ``lensproc run`` at 500 and at 10,000 files."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from cutout_files import write_cutouts


def measure(files: list[str], out: Path, stages: str) -> tuple[float, float]:
    """Wall seconds, and the peak of the memory of all processes together [MiB; shared pages counted once]."""
    listing = out.with_suffix(".txt")
    listing.write_text("\n".join(files))
    command = [sys.executable, "-m", "lensproc.cli", "run", "--stages", stages, "-o", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--manifest", str(listing), "--checks", "none"], stderr=subprocess.DEVNULL
    )
    watched, peak = psutil.Process(process.pid), 0.0
    while process.poll() is None:
        total = 0
        for member in [watched, *watched.children(recursive=True)]:
            try:
                total += member.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        peak = max(peak, total / 2**20)
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"the run failed with exit code {process.returncode}")
    return time.perf_counter() - started, peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=500)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--stages", default="bicubic")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        files = [str(path) for path in write_cutouts(scratch / "in", options.many)]
        few_seconds, few_peak = measure(files[: options.few], scratch / "few", options.stages)
        many_seconds, many_peak = measure(files, scratch / "many", options.stages)
    for count, seconds, peak in (
        (options.few, few_seconds, few_peak),
        (options.many, many_seconds, many_peak),
    ):
        print(
            json.dumps(
                {"files": count, "ms_per_file": round(1e3 * seconds / count, 2), "peak_MiB": round(peak)}
            )
        )
    print(json.dumps({"ratio": "peak memory (goal <= 1.1)", "value": round(many_peak / few_peak, 3)}))
    per_file = (many_seconds / options.many) / (few_seconds / options.few)
    print(json.dumps({"ratio": "time per file (goal <= 1.05)", "value": round(per_file, 3)}))


if __name__ == "__main__":
    main()
