from dataclasses import fields, replace

import numpy as np
import pytest

from preflare.sun.simulation.profiles import (
    FWHM,
    LIGHT,
    SUBORDINATE_WIDTH,
    WING_WIDTH,
    Atom,
    Photosphere,
    Shapes,
    photosphere,
    radiance,
)

STEP = 0.02546
WAVELENGTH = 2794.0 + STEP * np.arange(462)
DARK = Photosphere(*(np.zeros_like(WAVELENGTH) for _ in range(4)))


def shapes(count: int = 1, **values: float | np.ndarray) -> Shapes:
    """Symmetric cores without reversal, wings, flow, continuum or subordinate lines, but for the values given."""
    plain = dict.fromkeys((field.name for field in fields(Shapes)), 0.0)
    plain |= {"intensity": 100.0, "ratio": 1.25, "width": 20.0, "gap": 0.47} | values
    return Shapes(**{name: np.broadcast_to(np.asarray(value, float), (count,)) for name, value in plain.items()})


def near(centre: float, reach: float = 1.5) -> slice:
    return slice(*np.searchsorted(WAVELENGTH, (centre - reach, centre + reach)))


def test_a_shift_moves_the_centroid_by_its_doppler_shift(atom: Atom) -> None:
    velocity = np.array([-30.0, -5.0, 0.0, 5.0, 30.0])
    spectra = radiance(atom, WAVELENGTH, shapes(5, shift=velocity), DARK, 0.053).astype(float)
    for centre in atom.cores.values():
        part = near(centre)
        centroid = spectra[:, part] @ WAVELENGTH[part] / spectra[:, part].sum(axis=1)
        assert centroid == pytest.approx(centre * (1 + velocity / LIGHT), abs=1e-3)


def test_a_plain_core_is_a_gaussian_broadened_by_the_instrument(atom: Atom) -> None:
    spectrum = radiance(atom, WAVELENGTH, shapes(), DARK, 0.053)[0]
    centre = next(iter(atom.cores.values()))
    before, blur = 20.0 / LIGHT * centre, 0.053 / FWHM
    after = np.hypot(before, blur)
    expected = 100 * before / after * np.exp(-(((WAVELENGTH - centre) / after) ** 2) / 2)
    part = near(centre)
    assert spectrum[part] == pytest.approx(expected[part], abs=0.1)


def test_ratio_is_that_of_the_cores(atom: Atom) -> None:
    ratio = np.array([1.0, 1.3, 2.0])
    atom = replace(atom, depths=(1.0, 1.0))
    spectra = radiance(atom, WAVELENGTH, shapes(3, ratio=ratio, depth=0.6, asymmetry=0.2), DARK, 0.053)
    # Light per Å over the core's width in Å.
    first, second = (
        spectra[:, near(centre)].sum(axis=1) / (centre * width)
        for centre, width in zip(atom.cores.values(), atom.widths, strict=True)
    )
    assert first / second == pytest.approx(ratio, rel=2e-3)


def test_a_reversal_makes_two_peaks_and_asymmetry_favours_blue(atom: Atom) -> None:
    centre = next(iter(atom.cores.values()))
    part = near(centre, 0.8)
    spectrum = radiance(atom, WAVELENGTH, shapes(depth=0.6, asymmetry=0.2), DARK, 0.053)[0, part]
    peaks = np.flatnonzero((spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] > spectrum[2:])) + 1
    assert len(peaks) == 2 and spectrum[peaks[0]] > spectrum[peaks[1]]
    assert WAVELENGTH[part][peaks[0]] < centre < WAVELENGTH[part][peaks[1]]


def test_a_flow_adds_light_where_its_velocity_says(atom: Atom) -> None:
    still = radiance(atom, WAVELENGTH, shapes(), DARK, 0.053)[0]
    moving = radiance(atom, WAVELENGTH, shapes(flow=0.5, flow_shift=60.0), DARK, 0.053)[0]
    for centre in atom.cores.values():
        part = near(centre)
        peak = WAVELENGTH[part][np.argmax((moving - still)[part])]
        assert peak == pytest.approx(centre * (1 + 60 / LIGHT), abs=STEP)


def test_subordinate_emission_lies_on_its_lines_and_holds_its_light(atom: Atom) -> None:
    without = radiance(atom, WAVELENGTH, shapes(), DARK, 0.053)[0].astype(float)
    added = radiance(atom, WAVELENGTH, shapes(subordinate=0.2), DARK, 0.053)[0] - without
    middle = np.mean(atom.subordinate)
    assert (added @ WAVELENGTH) / added.sum() == pytest.approx(middle, abs=1e-3)
    area = 100 * 0.2 * np.sqrt(2 * np.pi) * SUBORDINATE_WIDTH / LIGHT * middle
    assert added.sum() * STEP == pytest.approx(area, rel=1e-3)


def test_photosphere_is_dark_at_cores_and_lines_and_keeps_equivalent_widths(atom: Atom) -> None:
    spectrum = photosphere(atom, WAVELENGTH, 0.053).mean
    assert 0 < spectrum.min() and spectrum.max() < 1
    for centre in atom.cores.values():
        # The dip nearest to a core is the core itself: darker than an ångström away on the far side.
        assert np.interp(centre, WAVELENGTH, spectrum) < 0.6 * np.interp(centre + 1.5, WAVELENGTH, spectrum)
    centre, depth, width, _ = next(row for row in atom.absorption if abs(row[0] - 2799.474) < 1e-6)
    without = replace(atom, absorption=tuple(row for row in atom.absorption if row[0] != centre))
    lost = 1 - spectrum / photosphere(without, WAVELENGTH, 0.053).mean
    assert lost.sum() * STEP == pytest.approx(depth * width * np.sqrt(2 * np.pi), rel=0.02)


def test_continuum_scales_the_background(atom: Atom) -> None:
    background = photosphere(atom, WAVELENGTH, 0.053)
    spectra = radiance(atom, WAVELENGTH, shapes(2, intensity=0.0, continuum=np.array([5.0, 10.0])), background, 0.053)
    assert spectra[0] == pytest.approx(5 * background.mean, rel=1e-5)
    assert spectra[1] == pytest.approx(2 * spectra[0], rel=1e-5)


@pytest.mark.parametrize("name", ["damping", "lines", "blend"])
def test_opacities_differ_from_the_atoms_as_told(atom: Atom, name: str) -> None:
    """Against opacities multiplied on a fine grid and broadened by summation, which the first order comes close to."""
    change = {name: 0.1}
    fine = np.arange(WAVELENGTH[0] - 0.5, WAVELENGTH[-1] + 0.5, 0.005)
    damping = sum(
        s / ((fine - c) ** 2 + atom.damping_core**2) ** (atom.damping_exponent / 2)
        for c, s in zip(atom.cores.values(), atom.damping, strict=True)
    )

    def seen(damped: float, lines: float, blend: float) -> np.ndarray:
        spectrum = 1 / (1 + np.exp(damped) * damping)
        for rows, more in ((atom.absorption, lines), (atom.subordinate_absorption, blend)):
            for centre, depth, width, variation in rows:
                profile = 1 - depth * np.exp(-(((fine - centre) / width) ** 2) / 2)
                spectrum = spectrum * profile ** np.exp(more * variation)
        return np.array([blur @ spectrum / blur.sum() for blur in blurs])

    blurs = np.exp(-(((WAVELENGTH[:, None] - fine) / (0.053 / FWHM)) ** 2) / 2)
    differences = [change.get(key, 0.0) for key in ("damping", "lines", "blend")]
    ground = photosphere(atom, WAVELENGTH, 0.053)
    plain = radiance(atom, WAVELENGTH, shapes(intensity=0.0, continuum=1.0), ground, 0.053)[0]
    found = radiance(atom, WAVELENGTH, shapes(intensity=0.0, continuum=1.0, **change), ground, 0.053)[0]
    expected = seen(*differences)
    effect = np.abs(expected - seen(0, 0, 0)).max()
    assert effect > 0.005 and np.abs(plain - seen(0, 0, 0)).max() < 0.1 * effect
    assert np.abs(found - expected).max() < 0.15 * effect


def test_a_reversal_may_be_deeper_in_the_second_core_and_as_wide_as_told(atom: Atom) -> None:
    atom = replace(atom, widths=(1.0, 1.0), depths=(1.0, 1.5))
    spectrum = radiance(atom, WAVELENGTH, shapes(ratio=1.0, depth=0.4, gap=0.3), DARK, 0.001)[0]
    first, second = (np.interp(centre, WAVELENGTH, spectrum) / 100 for centre in atom.cores.values())
    assert (1 - first, 1 - second) == pytest.approx((0.4, 0.6), abs=0.02)
    velocity = (WAVELENGTH / next(iter(atom.cores.values())) - 1) * LIGHT
    expected = np.exp(-((velocity / 20) ** 2) / 2) * (1 - 0.4 * np.exp(-((velocity / 6) ** 2) / 2))
    part = near(next(iter(atom.cores.values())))
    assert spectrum[part] / 100 == pytest.approx(expected[part], abs=0.01)


def test_far_wings_of_the_core_are_those_of_a_lorentzian(atom: Atom) -> None:
    with_, without = (radiance(atom, WAVELENGTH, shapes(wing=wing), DARK, 0.001)[0] for wing in (0.05, 0.0))
    for centre, relative in zip(atom.cores.values(), atom.widths, strict=True):
        level = 100 if centre == next(iter(atom.cores.values())) else 100 / 1.25
        for away in (0.0, 0.6, -1.2):
            velocity = away / centre * LIGHT / (WING_WIDTH * 20 * relative)
            expected = 0.05 * level / (1 + velocity**2)
            assert np.interp(centre + away, WAVELENGTH, with_ - without) == pytest.approx(expected, rel=0.03)
