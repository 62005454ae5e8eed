"""A method is a word for settings: what each sets, what a setting given beside it does, and that the page says the same."""

from __future__ import annotations

import pytest

from dreamprm_code.bilevel import METHODS, MethodSettings, OutcomeSettings, TrainSettings
from dreamprm_code.settings import SettingsError

DECIDED = dict.fromkeys(name for values in METHODS.values() for name in values)


def values_of(settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in DECIDED}


def test_labels_is_the_published_method_and_the_default_is_another():
    alone = {**dict(TrainSettings()), **dict(OutcomeSettings())}
    assert values_of(MethodSettings(method="labels")) == {name: alone[name] for name in DECIDED}
    joint = values_of(MethodSettings())
    assert joint["learn"] == "labels" and joint["both_levels"] and joint["outcome_prefixes"] == "every"
    assert (joint["agreement"], joint["score_sd"]) == (0.5, 0.1)


def test_what_is_given_beside_a_method_overrides_it_and_stays_when_the_method_changes():
    settings = MethodSettings(agreement=0.05)
    assert settings.agreement == 0.05 and settings.score_sd == 0.1
    changed = settings.with_changes(method="pool")
    assert changed.agreement == 0.05 and changed.score_sd == 0.2 and changed.learn == "none"
    assert changed.with_changes(method="joint") == settings


def test_the_names_of_its_settings_are_those_of_both_classes():
    assert DECIDED.keys() <= {*TrainSettings.model_fields, *OutcomeSettings.model_fields}
    for method, values in METHODS.items():
        assert MethodSettings(**values) == MethodSettings(method=method).with_changes(method="joint", **values)


def test_pairs_are_of_whole_programs():
    with pytest.raises(SettingsError, match="set outcome_prefixes whole"):
        MethodSettings(pair_weight=0.1)
    assert MethodSettings(pair_weight=0.1, outcome_prefixes="whole").pair_weight == 0.1


def test_the_page_has_the_same_table(root):
    """Every value of ``labels``; of the others those that differ."""
    lines = (root / "docs" / "training.md").read_text().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("| `method` |"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start : start + 2 + len(METHODS)]]
    names = [name.strip("`") for name in rows[0][1:]]
    assert set(names) == DECIDED.keys()
    said = {True: "yes", False: "no"}
    published = values_of(MethodSettings(method="labels"))
    for word, *cells in rows[2:]:
        method = word.split("`")[1]
        values = values_of(MethodSettings(method=method))
        shown = {name: value for name, value in values.items() if method == "labels" or value != published[name]}
        found = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
        assert found == {name: said[value] if isinstance(value, bool) else str(value) for name, value in shown.items()}, method
    assert [row[0].split("`")[1] for row in rows[2:]] == list(METHODS)
