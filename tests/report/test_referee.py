"""What a referee would raise: each warning by the smallest data that deserve it, and none without."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.report.confounders import Difference
from preflare.report.inventory import Row
from preflare.report.metadata import Category, Prediction
from preflare.report.referee import warnings
from preflare.sun.line import Line
from preflare.sun.observation import Label
from tests.report.test_confounders import BLANK

QUIET = replace(BLANK, strongest=2e-6)


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(Path(CONF) / "line" / "mg_ii.yaml"))


def data(**changes: object) -> list[Row]:
    """Two observations of each class, months apart, of different regions; changes are of the first PF."""
    found = []
    for number, label in enumerate((Label.PF, Label.AR, Label.PF, Label.AR)):
        row = replace(
            QUIET,
            name=f"{label.name}_{number}",
            label=label,
            region=str(12000 + number),
            start=QUIET.start + timedelta(days=100 * number),
        )
        found.append(replace(row, **changes) if number == 0 else row)  # type: ignore[arg-type]
    return found


def test_sound_data_get_no_warning(line: Line) -> None:
    assert warnings(data(), [], {"PF_0": True, "PF_2": True}, line) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"region": "12002"}, "Several observations show the same active region: 12002 (2)"),
        ({"strongest": 3.2e-5}, "PF_0: before its flare the Sun's X-rays already reach M3.2"),
        ({"minutes": 11.0}, "Exposures do not cover the window of 1: PF_0 (11 of 25 min)"),
        ({"minutes": 0.3}, "Exposures do not cover the window of 1: PF_0 (0.3 of 25 min)"),
        ({"minutes": 0.34}, "PF_0 (0.3 of 25 min)"),
        ({"minutes": 130.0, "window": 1300.0}, "PF_0 (130 of 1300 min)"),
        ({"window": 20.0, "minutes": 20.0}, "Windows are 20 to 25 minutes long"),
        ({"clean": 3}, "Hardly any spectra are clean in 1: PF_0 (3%)"),
        ({"shares": {"SAA": 0.2}}, "1 were partly taken in the South Atlantic Anomaly: PF_0"),
        ({"dispersion": 0.26}, "wider than two steps of the grid (0.0485 Å) in PF_0"),
        ({"dispersion": 0.05}, "their native dispersions differ"),
        ({"exposures": (2.0, 8.0)}, "Exposure times change within 1: PF_0"),
        (
            {"settings": {"allowed": "M3.0 at 14:30 by the list"}},
            "flare occurred while they lasted: PF_0 (M3.0 at 14:30 by",
        ),
        (
            {"settings": {"earlier_flares": "M3.0 at 17:15", "other_flares": "M3.0 at 17:15"}},
            "An earlier M or X flare reaches into the window of 1 PF observations, which then show no quiet before "
            "one: PF_0 (M3.0 at 17:15)",
        ),
        ({"settings": {"other_flares": "M3.0 at 14:15"}}, "flares occurred while 1 PF lasted: PF_0 (M3.0 at 14:15)"),
        ({"settings": {"flare_distance": 1067.2}}, "over 150 arcsec from its centre: PF_0 (1067 arcsec)"),
        ({"settings": {"flare_distance": 90.0, "flare_inside": "no"}}, "PF_0 (90 arcsec)"),
        ({"settings": {"flare_distance": "unknown"}}, "Where the flares of 1 PF observations were is unknown: PF_0"),
        ({"settings": {"hours_to_next_flare": 2.5}}, "had an M or X flare within a day of their end: PF_0 (2.5 h)"),
        ({"settings": {"c_flares": 0}}, "No flare list was asked about 3 observations: AR_1"),
        (
            {"settings": {"c_flares": 2}, "label": Label.AR},
            "C flares began in the windows of 1 AR observations: PF_0 (2)",
        ),
        ({"settings": {"goes_coverage": 0.4}}, "X-rays cover less than 90% of 1 observations"),
        ({"settings": {"mu": 0.1}}, "1 lie near the limb (mu below 0.3): PF_0"),
    ],
)
def test_each_flaw_is_named(changes: dict, said: str, line: Line) -> None:
    found = warnings(data(**changes), [], {}, line)
    assert any(said in one for one in found), found
    twice = changes.get("dispersion") == 0.26 or changes.get("window") == 1300 or "label" in changes
    assert len(found) == (2 if twice else 1)


def test_labels(line: Line) -> None:
    rows = data()
    assert "Nobody has confirmed the onsets of 1 PF observations: PF_2." in warnings(rows, [], {"PF_2": False}, line)
    rows[1] = replace(rows[1], strongest=1.1e-5)
    rows[3] = replace(rows[3], strongest=np.nan)
    blind, strong = warnings(rows, [], {}, line)
    assert blind.startswith("The X-ray flux of 1 AR observations is not known") and "AR_3" in blind
    assert strong == "AR_1 is AR, but the Sun's X-rays reach M1.1 in its window."


def test_the_shard_says_whether_its_onset_is_confirmed(line: Line) -> None:
    (said,) = warnings(data(settings={"verified": "no", "onset_source": "window.onset"}), [], {"PF_0": True}, line)
    assert said == "Nobody has confirmed the onsets of 1 PF observations: PF_0 (onset by window.onset)."
    assert warnings(data(settings={"verified": "yes", "onset_source": "own"}), [], {"PF_0": False}, line) == []


def test_a_foreign_mask_comes_first(line: Line) -> None:
    said, _ = warnings(data(masked_by="simulation", minutes=11.0), [], {}, line)
    assert said == (
        "An autoencoder trained on the simulated Sun decided which spectra of 1 observations are quiet Sun, though it "
        "has never seen any of their kind: PF_0."
    )


def test_regions_that_nobody_knows(line: Line) -> None:
    rows = [replace(row, region="", start=QUIET.start + timedelta(days=2 * n)) for n, row in enumerate(data())]
    (said,) = warnings(rows, [], {}, line)
    assert "4 observations have no active region in the catalog; 3 pairs of them lie less than 3 days apart" in said


def test_one_class_and_one_giant(line: Line) -> None:
    assert warnings(data()[1:2], [], {}, line)[0].startswith("There are 0 PF and 1 AR observations")
    rows = [replace(row, name=f"{row.name}{n}", region=f"{row.region}{n}") for n in range(3) for row in data()]
    rows[0] = replace(rows[0], spectra=3000, clean=2000)
    assert any("alone holds 69% of the clean spectra" in one for one in warnings(rows, [], {}, line))


def test_metadata_that_differ_are_listed_with_what_chance_gives(line: Line) -> None:
    differences = [Difference("mu", "", 0.5, 0.9, (18, 19), 0.91, 0.0002)]
    differences += [Difference(str(n), "", 0.5, 0.5, (18, 19), 0.55, 0.6) for n in range(19)]
    differences += [Difference("same", "", 0.5, 0.5, (18, 19), 0.5, np.nan)]
    (said,) = warnings(data(), differences, {}, line)
    assert "mu (AUC 0.91, p = 0.0002). Of 20 quantities 1.0 would by chance" in said


def test_metadata_that_tell_the_classes_apart(line: Line) -> None:
    words = [Category("IAECFLAG", {"NO": 7}, {"YES": 6, "NO": 1}, 0.86, 0.004), Category("mode", {}, {}, 0.1, 0.9)]
    known = Prediction(0.6, (0.2, 0.8), 0.81, (0.7, 0.9), 0.002, 20, 37, 30)
    found = warnings(data(), [], {}, line, words, known)
    assert len(found) == 2
    assert found[0] == "IAECFLAG differs between the classes (p = 0.004): AR NO (7); PF YES (6), NO (1)."
    assert "tell AR from PF in regions left out: TSS 0.60, AUC 0.81 (0.70 to 0.90), p = 0.002" in found[1]
    assert warnings(data(), [], {}, line, words[1:], replace(known, p=0.3)) == []
