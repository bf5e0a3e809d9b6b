"""Kill a training in the middle, go on with the same command, and compare with one that ran through.

The recipe is one that ships, cut to a few steps. The killed training gets SIGKILL within an epoch, some time after
half of its validations. Both must leave the same bytes of weights, and the same record but for machine and time.

Usage: python benchmarks/resume_training.py [--stage srresnet] [--recipe srresnet] [--steps 120] [--validations 6]
       [--kills 1] [--data FOLDER] [-o FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lensproc.contract.registry import load_registry
from lensproc.train.lookup import file_stem, recipe_path

POLL = 0.1
"""Seconds between two looks at the progress."""


def shortened(stage: str, recipe: str, steps: int, validations: int) -> str:
    """Text of a recipe with other numbers of steps, and without a budget."""
    text = recipe_path(load_registry().manifest(stage), recipe).read_text("utf-8")
    numbers = {
        "epochs": validations,
        "steps_per_epoch": steps // validations,
        "budget": 0,
        "warmup_steps": 10,
    }
    for name, number in numbers.items():
        text = re.sub(rf"^{name} = .*$", f"{name} = {number}", text, flags=re.MULTILINE)
    return text


def command(stage: str, recipe: Path, data: Path, output: Path) -> list[str]:
    """Command of a training; the same one goes on."""
    where = ["--recipe", str(recipe), "--data", str(data), "-o", str(output), "--device", "cpu", "-j", "1"]
    return [sys.executable, "-m", "lensproc.cli", "train", stage, *where, "--checkpoint", "0.02"]


def validations_in(output: Path) -> int:
    """Count the validations that a training has written down."""
    path = output / "metrics.csv"
    return max(0, len(path.read_text("utf-8").splitlines()) - 1) if path.is_file() else 0


def kill_in_the_middle(run: list[str], output: Path, after: int) -> str:
    """Start a training, and kill it half an epoch after a number of validations; say where that was."""
    with (output.parent / "killed.log").open("ab") as log:
        process = subprocess.Popen(run, stdout=log, stderr=log, start_new_session=True)
        seen, times = validations_in(output), [time.monotonic()]
        while process.poll() is None and validations_in(output) < after:
            if validations_in(output) > seen:
                seen = validations_in(output)
                times.append(time.monotonic())
            time.sleep(POLL)
        if process.poll() is None:
            epoch = (time.monotonic() - times[1]) / (len(times) - 1) if len(times) > 1 else 1.0
            time.sleep(epoch / 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    if process.returncode != -signal.SIGKILL:
        raise SystemExit(f"the training was over before it could be killed (exit {process.returncode})")
    return f"killed after validation {validations_in(output)}"


def left_in(output: Path, stage: str) -> tuple[str, dict[str, Any]]:
    """SHA-256 of the weights, and the record without machine and time."""
    stem = file_stem(stage)
    sha = hashlib.sha256((output / f"{stem}.safetensors").read_bytes()).hexdigest()
    record = json.loads((output / f"{stem}.training.json").read_text("utf-8"))
    return sha, {key: value for key, value in record.items() if key not in ("machine", "time")}


def compare(arguments: argparse.Namespace, folder: Path) -> bool:
    """Train twice, and say whether both are the same."""
    stage, steps, validations = arguments.stage, arguments.steps, arguments.validations
    recipe = folder / "short.toml"
    recipe.write_text(shortened(stage, arguments.recipe or stage, steps, validations), "utf-8")
    data = arguments.data or folder / "data"
    through, killed = folder / "through", folder / "killed"
    with (folder / "through.log").open("wb") as log:
        subprocess.run(command(stage, recipe, data, through), stdout=log, stderr=log, check=True)
    run = command(stage, recipe, data, killed)
    for number in range(arguments.kills):
        after = max(1, round(validations * (number + 1) / (arguments.kills + 1)))
        print(kill_in_the_middle(run, killed, after), flush=True)
    with (folder / "killed.log").open("ab") as log:
        subprocess.run(run, stdout=log, stderr=log, check=True)
    (sha, record), (again, record_again) = left_in(through, stage), left_in(killed, stage)
    print(f"{stage}, {record['steps']} steps at once:   {sha}")
    print(f"{stage}, {record_again['steps']} steps with {arguments.kills} kill: {again}")
    print(f"weights {'the same' if sha == again else 'DIFFER'}, record {same(record, record_again)}")
    return sha == again and record == record_again


def same(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Name what differs between two records."""
    differ = [key for key in one if one[key] != other.get(key)]
    return f"differs in {', '.join(differ)}" if differ else "the same but for machine and time"


def main() -> None:
    """Train, kill, go on, compare; exit with 1 where the two differ."""
    parser = argparse.ArgumentParser(
        description="Kill a training in the middle, and compare what it ends with."
    )
    parser.add_argument("--stage", default="srresnet")
    parser.add_argument("--recipe", default="", help="that ships with the stage  [default: its own]")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--validations", type=int, default=6)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--data", type=Path, help="simulated samples of earlier trainings")
    parser.add_argument("-o", "--output", type=Path, help="empty folder to keep both in")
    arguments = parser.parse_args()
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        sys.exit(not compare(arguments, arguments.output))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(not compare(arguments, Path(folder)))


if __name__ == "__main__":
    main()
