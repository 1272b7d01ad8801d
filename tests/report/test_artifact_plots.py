"""What stands under the figures of planted artefacts follows from the maps, which are drawn to one scale each."""

import numpy as np
import pytest
from hydra.utils import instantiate
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.explain.localisation import Target
from preflare.report import artifact_plots as plots
from preflare.sun.line import Line
from tests.report.test_artifact import GOOD, study


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))


@pytest.fixture
def target(line: Line) -> Target:
    """Two spectra with an artefact on points 100 to 109."""
    inside = np.zeros((2, len(line.wavelength)), dtype=bool)
    inside[:, 100:110] = True
    return Target(inside, np.zeros(len(line.wavelength), dtype=bool), 5.0)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, np.ndarray], list[str]]]:
    """Of each figure drawn its maps and the titles of its rows."""
    found = []

    def draw(
        wavelength: np.ndarray, spectra: np.ndarray, maps: dict[str, np.ndarray], limits: object, titles: list[str], *_
    ) -> Figure:
        assert spectra.shape == (len(titles), len(wavelength))
        found.append((maps, titles))
        return Figure()

    monkeypatch.setattr(plots.spectra, "draw", draw)
    return found


def pointing(line: Line, share: float, size: float = 1.0) -> np.ndarray:
    """A map with this share of what is positive inside the artefact."""
    made = np.zeros(len(line.wavelength))
    made[105], made[30] = share * size, (1 - share) * size
    return made


def test_a_training_is_told_from_first_to_last(line: Line, target: Target, drawn: list) -> None:
    said = [{"expected_gradients": pointing(line, share, 4.0)[None]} for share in (0.1, 0.9)]
    one = np.ones((1, len(line.wavelength)))
    made = plots.training("plateau", line, 7, [0, 2000], [-0.1, 3.0], said, [0.1, 0.9], one, target, "")
    assert made.name == "plateau_training" and made.figures == ("6",)
    assert "seed 7 after 0 to 2,000 batches" in made.caption and "from -0.10 to 3.00" in made.caption
    assert "from 10% to 90%" in made.caption
    ((maps, titles),) = drawn
    assert titles == ["after 0 batches: log-odds -0.10", "after 2,000 batches: log-odds 3.00"]
    assert maps["expected gradients"].max(axis=1) == pytest.approx([1, 1])


def test_members_at_the_quartiles_stand_beside_all(line: Line, target: Target, drawn: list) -> None:
    share = [0.5, 0.0, 0.25, 1.0]
    members = {"hirescam": np.stack([np.stack([pointing(line, one)] * 2) for one in share])}
    said = {"members": members, "swa": members, "annealed": members}
    one = np.ones((1, len(line.wavelength)))
    made = plots.one_and_many("wing_shift", line, ["a", "b", "c", "d"], said, one, target, "")
    assert (made.name, made.title) == ("wing_shift_maps", "Wing shift: one network and many")
    assert "(25% and 100% over all spectra" in made.caption and "of 4 together (44%" in made.caption
    ((maps, titles),) = drawn
    assert titles == [
        "c: lower quartile",
        "d: upper quartile",
        "mean of 4 members",
        "a: averaged weights",
        "a: annealed",
    ]
    assert maps["HiResCAM"][2, 105] == pytest.approx(0.4375 / 0.5625)


def test_a_map_that_says_nothing_is_drawn_as_nothing(line: Line, target: Target, drawn: list) -> None:
    said = [{"hirescam": np.zeros((1, len(line.wavelength))), "expected_gradients": pointing(line, 0.5)[None]}]
    plots.training("bump", line, 0, [0], [0.0], said, [0.5], np.ones((1, len(line.wavelength))), target, "")
    assert not drawn[0][0]["HiResCAM"].any()


def test_the_share_against_the_number_of_networks() -> None:
    made = plots.against_members([study(GOOD)], "")
    assert made.name == "artifact"
    assert "On plateau the share of HiResCAM inside the artefact goes from 40% for one network to 58% for 5." in (
        made.caption
    )
    assert len(made.figure.axes) >= 4
