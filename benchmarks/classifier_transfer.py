"""How classifiers of substructure do on images of another kind than they were trained on.

Each file of weights on each recipe of the simulator: macro AUC (mean of one-vs-rest), accuracy, and the share of
images that it calls unlike its training (LPOOD < .01; of its own kind 1 % are). Then, with ``--public``, single
public images: 16 of the Common Test I, read back from pictures of 8 bit, and a noise-free one of 64 px for each
class (``cdm`` has subhalos, ``axion`` a vortex). They say nothing of their PSF and pixel scale.

Usage: python benchmarks/classifier_transfer.py [LABEL=]WEIGHTS.safetensors… [--on RECIPE]… [--number 600]
       [--public FOLDER]
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from classifier_files import classifiers

from lensproc.cutout import Cutout
from lensproc.evaluate.classification.answer import SUBSTRUCTURE, UNLIKE, answer_of, failure_of
from lensproc.evaluate.classification.draws import Bootstrap
from lensproc.evaluate.classification.measures import auc, mean_of
from lensproc.evaluate.classification.run import Evaluation, evaluate
from lensproc.evaluate.classification.truth import NONE
from lensproc.evaluate.intervals import fraction
from lensproc.evaluate.scoring.dataset import open_dataset
from lensproc.evaluate.scoring.methods import Method, open_method
from lensproc.fits.read import ReadOptions, read_hdulist

RECIPES = ("sealed-common-test", "sealed-deeplense-1", "sealed-deeplense-2", "sealed-deeplense-3")
PICTURES = "recovered8bit_CommonTestI_16imgs_from_notebook_png.npz"
PICTURE_CLASSES = {"no": "no", "sphere": "sphere", "vort": "vortex"}
SAMPLES = {"nosub.npy": "no", "cdm.npy": "sphere", "axion.npy": "vortex"}


def cell(evaluation: Evaluation, name: str) -> tuple[str, str, str]:
    """Macro AUC with its interval, accuracy, and the share of images unlike the training."""
    answers = evaluation.answers[name]
    n = answers.label.size
    macro = mean_of(
        [auc(answers.label == k, answers.probabilities[:, k]) for k in range(len(answers.classes))]
    )
    area = Bootstrap(n).samples({"macro": macro}, {})["macro"].measured()
    right = fraction(int((answers.predicted == answers.label).sum()), n)
    unlike = fraction(int((answers.ood < UNLIKE).sum()), n)
    return (
        f"{area.value:.3f} ({area.low:.3f}–{area.high:.3f})",
        f"{right.value:.3f}",
        f"{unlike.value:.1%} ({unlike.low:.1%}–{unlike.high:.1%})",
    )


def matrix(methods: Sequence[Method], recipes: Sequence[str], number: int, jobs: int) -> None:
    """Print the three tables of all files on all recipes."""
    found: dict[str, Evaluation] = {}
    for recipe in recipes:
        found[recipe] = evaluate(open_dataset(recipe, number), methods, jobs=jobs)
    cells = {(m.name, recipe): cell(found[recipe], m.name) for m in methods for recipe in recipes}
    titles = ("macro AUC (95 %)", "accuracy", f"LPOOD < {UNLIKE:g} (95 %)")
    for at, title in enumerate(titles):
        print(f"{title}, first {number} images of each set:\n")
        print("| weights | " + " | ".join(recipes) + " |")
        print("|---|" + "---|" * len(recipes))
        for method in methods:
            print(
                f"| {method.name} | "
                + " | ".join(cells[method.name, recipe][at] for recipe in recipes)
                + " |"
            )
        print()


def public_images(folder: Path) -> Iterator[tuple[str, str, Cutout]]:
    """Name, class and cutout of each public image that the folder holds.

    Raises
    ------
    SystemExit
        Where a file is missing.
    """
    missing = [name for name in (PICTURES, *SAMPLES) if not (folder / name).is_file()]
    if missing:
        raise SystemExit(f"--public {folder}: there is no {', '.join(missing)}")
    with np.load(folder / PICTURES) as pictures:
        for number, (image, label) in enumerate(zip(pictures["images"], pictures["labels"], strict=True)):
            yield f"Common Test {number}", PICTURE_CLASSES[str(label)], as_cutout(image, number)
    for at, (name, kind) in enumerate(SAMPLES.items()):
        yield Path(name).stem, kind, as_cutout(np.load(folder / name), 100 + at)


def as_cutout(image: np.ndarray, number: int) -> Cutout:
    """Read an image as lensproc reads a file that holds nothing but pixels."""
    hdus = fits.HDUList([fits.PrimaryHDU(np.asarray(image, np.float32))])
    (cutout,) = read_hdulist(hdus, ReadOptions(), file=f"public-{number:03d}")
    return cutout


def single(methods: Sequence[Method], folder: Path) -> None:
    """Print what each file says of each public image, and how often it is right."""
    images = list(public_images(folder))
    columns = " | ".join(method.name for method in methods)
    print(f"| image | class | {columns} |\n|---|---|" + "---|" * len(methods))
    said = {method.name: answers_of(method, [cutout for _, _, cutout in images]) for method in methods}
    for at, (name, kind, _) in enumerate(images):
        print(f"| {name} | {kind} | " + " | ".join(said[method.name][at][0] for method in methods) + " |")
    print()
    for method in methods:
        for group, chosen in (("Common Test", range(16)), ("64 px", range(16, len(images)))):
            right = sum(is_right(said[method.name][i][1], images[i][1]) for i in chosen)
            unlike = sum(said[method.name][i][2] < UNLIKE for i in chosen)
            print(f"{method.name}, {group}: likeliest class right {right} of {len(chosen)}, unlike {unlike}")


def is_right(likeliest: str, kind: str) -> bool:
    """Whether the likeliest class is the true one, for a classifier of two classes too."""
    return likeliest == kind or (likeliest == SUBSTRUCTURE and kind != NONE)


def answers_of(method: Method, cutouts: Sequence[Cutout]) -> list[tuple[str, str, float]]:
    """Words for the table, likeliest class and LPOOD of each image."""
    found = []
    for result in open_method(method)(cutouts):
        reason = failure_of(result, method.stage)
        if reason is not None:
            found.append((f"failed: {reason}", "", math.nan))
            continue
        answer = answer_of(result, method.stage)
        top = int(np.argmax(answer.probabilities))
        verdict = str(result.values["LPCLASS"].value)
        likeliest, share = answer.classes[top], answer.probabilities[top]
        words = f"{verdict}; {likeliest} {share:.2f}; {answer.ood:.3f}"
        found.append((words, likeliest, answer.ood))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+", metavar="[LABEL=]FILE")
    parser.add_argument("--on", action="append", metavar="RECIPE", help=f"default: {', '.join(RECIPES)}")
    parser.add_argument("--number", type=int, default=600, help="images of each recipe; 0 for none")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--public", type=Path, metavar="FOLDER", help="with the public arrays")
    options = parser.parse_args()
    methods = classifiers(options.weights)
    if options.number:
        matrix(methods, options.on or RECIPES, options.number, options.jobs)
    if options.public is not None:
        print("verdict; likeliest class and its probability; LPOOD\n")
        single(methods, options.public)


if __name__ == "__main__":
    main()
