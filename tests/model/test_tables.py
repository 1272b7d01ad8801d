"""The tables train prints: every number in its place, empty where a score is not defined."""

import io

import numpy as np
from rich.console import Console

from preflare.model import tables


def printed(table: object) -> str:
    file = io.StringIO()
    Console(width=120, file=file).print(table)
    return file.getvalue()


def record(chosen_by: str) -> dict:
    scores = dict.fromkeys(tables.SCORES, 0.5)
    return {
        "best_epoch": 7,
        "metrics": {"train": {**scores, "tss": 0.75}, "test": {**scores, "tss": None}},
        "partition": {
            "chosen_by": chosen_by,
            "sides": {"train": {"AR_1": 600, "PF_1": 600}, "test": {"AR_2": 10, "PF_2": 10}},
        },
    }


def test_skill() -> None:
    text = printed(tables.skill(record("validation")))
    lines = {line.split("│")[1].strip(): line.split("│")[2:4] for line in text.splitlines() if line.count("│") == 4}
    assert "Skill at epoch 7" in text
    assert [cell.strip() for cell in lines["TSS"]] == ["0.750", ""]
    assert [cell.strip() for cell in lines["spectra"]] == ["1,200", "20"]
    assert [cell.strip() for cell in lines["observations"]] == ["2", "2"]
    assert "optimistic" not in text


def test_skill_says_when_the_test_side_chose_the_epoch() -> None:
    assert "optimistic" in printed(tables.skill(record("test")))


def test_averaged_weights_have_columns_of_their_own() -> None:
    with_it = record("validation") | {"seconds": 3.0}
    with_it["metrics"]["test"]["tss"] = 0.25
    assert "averaged" not in printed(tables.skill(with_it)) + tables.line(with_it)
    scores = dict.fromkeys(tables.SCORES, 0.5)
    with_it["averaged"] = {"metrics": {"train": {**scores, "tss": 0.8}, "test": {**scores, "tss": 0.3}}}
    text = printed(tables.skill(with_it))
    (line,) = [line for line in text.splitlines() if "│ TSS" in line]
    assert [cell.strip() for cell in line.split("│")[2:-1]] == ["0.750", "0.250", "0.800", "0.300"]
    assert "train, averaged" in text and "test, averaged" in text
    assert tables.line(with_it) == "TSS 0.250 at epoch 7, averaged 0.300, 3 s"


def test_sweep_is_numpys_quantiles() -> None:
    values = [0.1, 0.4, 0.2, 0.9]
    rest = {"best_epoch": 3, "chosen_by": "validation"}
    rows = [{f"test/{name}": value for name in tables.SCORES} | rest for value in [*values, None]]
    text = printed(tables.sweep(rows))
    (line,) = [line for line in text.splitlines() if "TSS" in line]
    expected = [np.mean(values), np.std(values, ddof=1), *np.quantile(values, [0, 0.25, 0.5, 0.75, 1])]
    assert [cell.strip() for cell in line.split("│")[2:-1]] == [f"{value:.3f}" for value in expected]
