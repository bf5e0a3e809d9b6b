"""A generative stage is a picture until its validation says otherwise."""

from __future__ import annotations

import dataclasses
import math

import pytest

from lensproc.evaluate.goals import GOALS, Outcome, Verdict
from lensproc.evaluate.intervals import Measured
from lensproc.evaluate.page import page_html
from lensproc.evaluate.run import Validation
from lensproc.evaluate.sizes import QUICK
from lensproc.evaluate.standing import COMPARED, HONEST, standing

POINTS = COMPARED[0]


def outcomes(points: tuple[float, float] = (20.0, 40.0), **verdicts: Verdict) -> list[Outcome]:
    """All goals are met but `verdicts`, by their first word; POINTs of the input are 15 to 35."""
    made = []
    for name in HONEST:
        verdict = next((v for word, v in verdicts.items() if name.startswith(word)), "met")
        made.append(Outcome("gan", name, "", Measured(0.0, 0.0, 0.0, 100), verdict))
    made.append(Outcome("gan", POINTS, "", Measured(30.0, *points, 1000), "not met"))
    made.append(Outcome("raw", POINTS, "", Measured(23.0, 15.0, 35.0, 1000), "not met"))
    return made


def test_its_goals_are_goals_of_validate():
    assert set(HONEST + COMPARED) <= {goal.name for goal in GOALS}


def test_what_misses_nothing_is_more_than_a_picture():
    assert standing(outcomes(), "gan", quick=False).verdict == "measurement"
    # no number of empty fields without a false source makes its upper limit 0
    assert standing(outcomes(false="met?"), "gan", quick=False).verdict == "measurement"


@pytest.mark.parametrize("verdict", ["not met", "not met?"])
def test_one_missed_goal_makes_it_a_picture_and_is_named(verdict):
    found = standing(outcomes(invented=verdict), "gan", quick=False)
    assert (found.verdict, found.reasons) == ("picture", ("invented fraction of candidates",))
    assert "not for measuring. Missed: invented fraction" in found.sentence


def test_points_count_only_above_what_the_input_shows_itself():
    assert standing(outcomes((34.0, 60.0)), "gan", quick=False).verdict == "measurement"
    found = standing(outcomes((36.0, 60.0)), "gan", quick=False)
    assert found.verdict == "picture"
    assert found.reasons == ("that the truth does not explain (POINTs, beside the input's)",)


def test_few_trials_never_make_it_a_measurement():
    found = standing(outcomes(forward="met?"), "gan", quick=True)
    assert found.verdict == "undecided"
    assert found.reasons == ("forward χ²", "that the truth does not explain (POINTs)")
    assert standing(outcomes(forward="not met"), "gan", quick=True).verdict == "picture"


def test_what_was_not_measured_is_open():
    some = [outcome for outcome in outcomes() if "split" not in outcome.name]
    found = standing(some, "gan", quick=False)
    assert (found.verdict, found.reasons) == ("undecided", ("false splits of single stars",))
    nan = Measured(math.nan, math.nan, math.nan, 0)
    for system in ("gan", "raw"):
        some = [
            dataclasses.replace(outcome, measured=nan, verdict="not measured")
            if (outcome.system, outcome.name) == (system, POINTS)
            else outcome
            for outcome in outcomes()
        ]
        found = standing(some, "gan", quick=False)
        assert found.verdict == "undecided", system
        assert found.reasons == ("that the truth does not explain (POINTs)",)


def test_the_page_says_it_above_the_goals():
    sentence = standing(outcomes(flux="not met"), "gan", quick=False).sentence
    about = {"stage": "gan", "options": {}, "dist": "", "lensproc": "0", "quick": False}
    validation = Validation(("gan", "raw"), 0, QUICK, {}, tuple(outcomes()))
    page = page_html(validation, {**about, "standing": {"sentence": sentence}}, {})
    assert page.index("a picture, not for measuring") < page.index("<table")
    assert "notice" not in page_html(validation, {**about, "standing": None}, {}).partition("<body>")[2]
