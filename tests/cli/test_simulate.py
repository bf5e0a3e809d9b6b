import os
import signal
import subprocess
import sys
import time

from click.testing import CliRunner

from lensproc.cli.simulate import command


def run(*arguments):
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=True)


def test_list_names_recipes_and_instruments():
    result = run("--list")
    assert result.exit_code == 0
    for name in ("common-test", "quasars", "sealed-quasars", "jwst-nircam"):
        assert f"  {name} " in result.output


def test_help_keeps_its_examples_on_lines_of_their_own():
    lines = [line.strip() for line in run("--help").output.splitlines()]
    assert "lensproc simulate quasars --number 20 --seed 1 -o scenes" in lines


def test_it_makes_what_it_says(tmp_path):
    result = run("pairs", "-n", 2, "--seed", 3, "-o", tmp_path, "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert "2 images of pairs" in result.output
    assert sorted(p.name for p in tmp_path.glob("*.fits")) == ["pairs-000000.fits", "pairs-000001.fits"]


def test_wrong_use_is_one_line(tmp_path):
    code = "from lensproc.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "simulate", "quasar", "-o", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "--list" in done.stderr


def test_interrupted_it_says_so_and_goes_on_later(tmp_path):
    code = "from lensproc.cli import main; main()"
    arguments = [
        sys.executable,
        "-c",
        code,
        "simulate",
        "pairs",
        "-n",
        "4000",
        "--jobs",
        "2",
        "-o",
        str(tmp_path),
    ]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True)
    ledger = tmp_path / "simulate.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (ledger.exists() and ledger.read_bytes().count(b"\n") > 3):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from there" in error
    assert "Traceback" not in error
    there = ledger.read_bytes().count(b"\n") - 1
    assert 3 <= there < 4000
    result = run("pairs", "-n", there, "--jobs", 1, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert not list(tmp_path.rglob(".lensproc-*.tmp"))
