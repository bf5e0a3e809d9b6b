"""Colours of values: the same as the checks gave, from what the catalogue keeps."""

from __future__ import annotations

import pytest

from lensproc.qc.thresholds import LIMITS
from lensproc.qc.verdict import judge_domain
from lensproc.report.folder import Entry
from lensproc.report.judgement import badness, limits_in_words, state_of, states_of


@pytest.mark.parametrize("name", ["QABKG", "QASHFT", "QANEG", "QARHO1", "QADMAG", "QADX"])
def test_limits_are_those_of_the_checks(name: str) -> None:
    limit = LIMITS[name]
    assert state_of(name, 0.99 * limit.passes, 0.0) == "PASS"
    assert state_of(name, 1.01 * limit.passes, 0.0) == "WARN"
    assert state_of(name, 1.01 * limit.fails, 0.0) == "FAIL"


@pytest.mark.parametrize("name", ["QAFIN", "QANLOST", "QANHAL"])
def test_what_may_not_be_at_all_fails_above_zero(name: str) -> None:
    assert state_of(name, 0, None) == "PASS"
    assert state_of(name, 1, None) == "FAIL"


def test_an_excess_within_the_photon_error_passes() -> None:
    assert state_of("QADMAG", 0.5, 0.2) == "PASS"
    assert state_of("QADMAG", -0.7, 0.2) == "FAIL"


def test_flux_chi2_and_peak_have_rules_of_their_own() -> None:
    assert state_of("QAFLX", -8.0, 0.5) == "FAIL"
    assert state_of("QAFLX", -8.0, 5.0) == "PASS"
    assert state_of("QACHI2", 0.07, 0.02) == "WARN", "the noise was copied"
    assert state_of("QACHI2", 1.9, 0.02) == "FAIL"
    assert state_of("QACHIP", 6.0, None, chance=1e-7) == "FAIL"
    assert state_of("QACHIP", 6.0, None) == "NONE", "the peak alone says nothing: its chance does"
    assert state_of("QARHO1", -0.5, 0.01) == "PASS", "only an excess counts"


def test_an_image_unlike_the_training_data_has_the_colour_that_the_checks_gave() -> None:
    assert [state_of("QAOOD", p, None) for p in (0.3, 0.03, 0.003)] == ["PASS", "WARN", "FAIL"]
    assert [state_of("QAOOD", p, None) for p in (0.3, 0.03, 0.003)] == [
        judge_domain(p) for p in (0.3, 0.03, 0.003)
    ]
    assert limits_in_words("QAOOD") == "pass where chance p > 0.05, fail where p < 0.01"


def test_what_was_not_measured_and_what_is_only_told_has_no_colour() -> None:
    assert state_of("QADX", None, None) == "NONE"
    assert state_of("QANIN", 7, None) == "NONE"


def test_nothing_is_called_worse_than_the_whole() -> None:
    passed = Entry({"QASTAT": "PASS", "QADX": 0.3, "QADX_ERR": 0.0})
    assert states_of(passed)["QADX"] == "PASS"
    assert states_of(Entry({**passed.values, "QASTAT": "WARN"}))["QADX"] == "WARN"
    assert states_of(Entry({**passed.values, "QASTAT": "FAIL"}))["QADX"] == "FAIL"


def test_the_worst_sorts_first() -> None:
    entries = [
        Entry({"LPINFILE": name, "QASTAT": status, **values})
        for name, status, values in (
            ("unchecked", None, {}),
            ("good", "PASS", {}),
            ("peak", "FAIL", {"QANLOST": 1, "QACHIP": 9.0}),
            ("twice", "FAIL", {"QANLOST": 1, "QANHAL": 2, "QACHIP": 3.0}),
            ("empty", "NOSRC", {}),
            ("odd", "WARN", {"QADX": 0.2, "QADX_ERR": 0.0}),
        )
    ]
    ranked = sorted(entries, key=lambda entry: badness(entry, states_of(entry)))
    assert [entry.text("LPINFILE") for entry in ranked] == [
        "twice",
        "peak",
        "odd",
        "empty",
        "good",
        "unchecked",
    ]


def test_limits_are_told_in_words() -> None:
    assert limits_in_words("QAFLX") == "pass up to 1, fail above 3"
    assert limits_in_words("QANLOST") == "fail above 0"
    assert limits_in_words("QACHI2") == "pass 0.8 to 1.2, fail above 1.5"
    assert limits_in_words("QANIN") == ""
