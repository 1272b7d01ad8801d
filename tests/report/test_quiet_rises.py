"""Places whose score is made to rise or fall are counted where nothing else moves."""

import numpy as np
import pytest

from preflare.report import quiet_rises
from preflare.report.explained import Explained
from preflare.report.quiet_rises import Rises
from preflare.sun.goes import Goes
from preflare.sun.observation import Label


class Fake:
    """A shard, its header and its cube at once: 20 rasters of 2 steps and 5 pixels."""

    name, label, onset, window_end, start = "PF_1", Label.PF, "2014-03-29T14:30:00", "", "2014-03-29T14:00:00"

    def __init__(self, goes: Goes | None) -> None:
        stream = np.random.default_rng(0)
        time = np.arange(40.0).reshape(20, 2) * 40
        score = 0.5 + 0.01 * stream.standard_normal((20, 2, 5))
        score[:, 0, 0] += np.linspace(0, 0.4, 20)
        score[:, 0, 1] -= np.linspace(0, 0.4, 20)
        score[:, 0, 2] += np.linspace(0, 0.4, 20)
        score[5:, 1, 4] = np.nan
        intensity = 50 + stream.standard_normal((20, 2, 5))
        intensity[:, 0, 2] *= np.linspace(1, 2, 20)
        self._data = {"time": time, "score": score, "intensity": intensity}
        score[:, 1, 3] += np.linspace(0, 0.4, 20)
        self._data["phase"] = np.ones((20, 2), np.uint8)
        kind = np.zeros((20, 2, 5), np.uint8)
        kind[12:, 0, 0], kind[:5, 0, 1], kind[12:, 0, 2] = 1, 2, 3
        self._data["truth/kind"], self.truth = kind, ("kind",)
        self._goes = goes
        self.header = self

    def read(self, name: str) -> np.ndarray:
        return self._data[name]

    def of_clean(self, name: str) -> np.ndarray:
        """All but one place."""
        values = self._data[name].copy()
        values[:, 1, 3] = np.nan
        return values

    def goes(self) -> Goes | None:
        return self._goes


def curve(rise: float) -> Goes:
    return Goes(np.arange(0, 1600.0, 10), 1e-6 * np.linspace(1, 1 + rise, 160))


@pytest.mark.parametrize(
    ("goes", "flat"), [(curve(0.2), True), (curve(5.0), False), (None, False)], ids=["steady", "flaring", "unknown"]
)
def test_rises_count_where_all_else_is_flat(goes: Goes | None, flat: bool) -> None:
    fake = Fake(goes)
    found = quiet_rises.count(Explained(fake, fake))  # type: ignore[arg-type]
    assert found.places == 8  # one has too few rasters, one is not clean
    assert found.flat == (7 if flat else 0)  # one brightens
    if flat:
        # Seven places, of which one is made to rise and one to fall; chance may add one.
        assert found.up in (1, 2) and found.down in (1, 2)
        assert (found.more, found.fewer, found.hits) == (1, 1, 1)
        assert found.change == pytest.approx(0.2 * 1560 / 1590 / 1.098, rel=0.02)
    else:
        assert (found.up, found.down) == (0, 0)


def test_change_is_relative() -> None:
    assert quiet_rises.change(np.arange(11.0), np.linspace(1, 3, 11)) == pytest.approx(1.0)
    assert np.isnan(quiet_rises.change(np.arange(4.0), np.zeros(4)))


def test_classes_are_told_apart() -> None:
    them = [Rises(f"PF_{n}", True, 30, 20, 8, 2, 0.1) for n in range(8)]
    them += [Rises(f"AR_{n}", False, 30, 10, n % 2, 1 - n % 2, 0.1) for n in range(8)]
    up, down, p = quiet_rises.together(them, True)
    assert (up[0], down[0]) == (0.4, 0.1)
    assert p == pytest.approx(2**-8, abs=0.002)
    assert quiet_rises.together(them, False)[2] > 0.05
    up, down, p = quiet_rises.together([Rises("PF_1", True, 30, 20, 8, 2, 0.1, 5, 1)], True, planted=True)
    assert (up[0], down[0], p) == (0.25, 0.05, pytest.approx(0.5, abs=0.05))
