from dataclasses import fields

import numpy as np
import pytest

from preflare.sun.line import Line
from preflare.sun.simulation.precursor import KINDS, Patches, Precursor, disturb
from preflare.sun.simulation.profiles import Atom, Shapes, photosphere, radiance


def shapes(count: int) -> Shapes:
    plain = dict.fromkeys((field.name for field in fields(Shapes)), 0.0)
    plain |= {"intensity": 60.0, "ratio": 1.25, "continuum": 10.0, "width": 20.0, "depth": 0.6, "gap": 0.47}
    plain |= {"asymmetry": 0.1}
    return Shapes(**{name: np.full(count, value) for name, value in plain.items()})


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_patches_cover_the_share_they_are_told(share: float) -> None:
    covered = []
    for seed in range(150):
        random = np.random.default_rng([7, seed])
        x, y, time = random.uniform(-500, 500, (3, 100)) * np.array([[1], [1], [60]])
        kind, weight = Patches(random, 5.0, 300.0, 0.5)(x, y, time, np.full(100, share))
        assert ((kind > 0) == (weight > 0)).all()
        covered.append((kind > 0).mean())
    assert np.mean(covered) == pytest.approx(share, abs=0.02)
    if share == 0:
        assert not np.any(covered)


def test_patches_are_smooth_and_show_every_kind() -> None:
    random = np.random.default_rng(8)
    y = np.arange(0, 4000, 0.5)
    kind, weight = Patches(random, 5.0, 300.0, 0.0)(0 * y, y, 0 * y, np.full(len(y), 0.5))
    assert set(np.unique(kind)) == set(Precursor)
    # Half an arcsec is a tenth of the correlation length: most neighbours are of one kind, and weights creep.
    assert (kind[1:] == kind[:-1]).mean() > 0.85
    assert np.abs(np.diff(weight)).mean() < 0.1 * weight.std() + 0.05
    order = np.random.default_rng(9).permutation(len(y))
    assert (kind[order][1:] == kind[order][:-1]).mean() < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_what_its_name_says(kind: Precursor) -> None:
    before, after = shapes(3), shapes(3)
    disturb(after, np.full(3, kind, np.uint8), np.array([0.0, 0.5, 1.0]))
    change = {field.name: getattr(after, field.name) - getattr(before, field.name) for field in fields(Shapes)}
    assert not any(values[0] for values in change.values())
    signed = {
        Precursor.TRIPLET: {"subordinate": 1},
        Precursor.RED_WING: {"flow": 1, "flow_shift": 1},
        Precursor.BLUE_WING: {"flow": 1, "flow_shift": -1},
        Precursor.BROAD_CORE: {"width": 1, "wing": 1},
        Precursor.SINGLE_PEAK: {"depth": -1},
        Precursor.ASYMMETRIC: {"asymmetry": 1},
        Precursor.BRIGHT_CORE: {"intensity": 1},
    }[kind]
    for name, sign in signed.items():
        assert 0 < sign * change[name][1] < sign * change[name][2]
    untouched = {"ratio", "continuum", "shift"}
    assert not any(change[name].any() for name in untouched)


def test_no_event_changes_nothing() -> None:
    after = shapes(2)
    disturb(after, np.zeros(2, np.uint8), np.zeros(2))
    assert all(np.array_equal(getattr(after, f.name), getattr(shapes(2), f.name)) for f in fields(Shapes))


def measured(atom: Atom, line: Line, kind: Precursor) -> dict[str, float]:
    """A spectrum of an event at its strongest, normalised: its first core, triplet and pseudo-continuum."""
    wavelength = np.arange(line.start, line.stop, 0.01)
    seen = shapes(1)
    disturb(seen, np.array([kind], np.uint8), np.array([float(kind > 0)]))
    spectrum = radiance(atom, wavelength, seen, photosphere(atom, wavelength, 0.053), 0.053)[0]
    spectrum = spectrum / spectrum.max()
    centre = next(iter(atom.cores.values()))
    core = spectrum[np.abs(wavelength - centre) < 0.8]
    axis = wavelength[np.abs(wavelength - centre) < 0.8] - centre
    inner = (core[1:-1] > core[:-2]) & (core[1:-1] > core[2:]) & (core[1:-1] > 0.25)
    continuum = spectrum[(wavelength > line.continuum[0]) & (wavelength < line.continuum[1])]
    blend = np.abs(wavelength - np.mean(atom.subordinate)) < 0.1
    peaks = np.sort(core[1:-1][inner])[::-1]
    return {
        "peaks": float(inner.sum()),
        "ratio of peaks": peaks[1] / peaks[0] if len(peaks) > 1 else 0.0,
        "width": float((core > 0.5 * core.max()).sum() * 0.01),
        "blue": float(core[(axis < -0.45) & (axis > -0.75)].mean()),
        "red": float(core[(axis > 0.45) & (axis < 0.75)].mean()),
        "triplet": float(spectrum[blend].mean() / continuum.mean()),
        "continuum": float(continuum.mean()),
        "lines": float(np.ptp(continuum)),
    }


def test_each_kind_shows_in_the_spectrum(atom: Atom, line: Line) -> None:
    plain = measured(atom, line, Precursor.NONE)
    found = {kind: measured(atom, line, kind) for kind in KINDS}
    assert plain["peaks"] == 2 and plain["triplet"] < 1
    # The triplet in emission, above the pseudo-continuum.
    assert found[Precursor.TRIPLET]["triplet"] > 1.3 and found[Precursor.TRIPLET]["peaks"] == 2
    red, blue = found[Precursor.RED_WING], found[Precursor.BLUE_WING]
    assert red["red"] > 1.5 * plain["red"] and red["blue"] < 1.2 * plain["blue"]
    assert blue["blue"] > 1.5 * plain["blue"] and blue["red"] < 1.2 * plain["red"]
    assert found[Precursor.BROAD_CORE]["width"] > 1.2 * plain["width"]
    assert found[Precursor.SINGLE_PEAK]["peaks"] == 1
    # Irregular: one peak much higher than the other.
    assert found[Precursor.ASYMMETRIC]["ratio of peaks"] < 0.7 * plain["ratio of peaks"]
    # Low and flat.
    bright = found[Precursor.BRIGHT_CORE]
    assert bright["continuum"] < 0.5 * plain["continuum"] and bright["lines"] < 0.5 * plain["lines"]
