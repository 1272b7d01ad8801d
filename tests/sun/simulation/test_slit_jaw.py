import numpy as np
import pytest

from preflare.sun.line import Line
from preflare.sun.simulation.profiles import LIGHT, Photosphere, Shapes, radiance
from preflare.sun.simulation.slit_jaw import PASSBAND, brightness, film


def shapes() -> Shapes:
    zeros = np.zeros(4)
    return Shapes(
        intensity=np.array([60.0, 60.0, 200.0, 0.0]),
        ratio=np.full(4, 1.2),
        continuum=np.array([0.0, 0.0, 0.0, 10.0]),
        damping=zeros,
        lines=zeros,
        blend=zeros,
        shift=zeros,
        width=np.array([20.0, 25.0, 20.0, 20.0]),
        depth=np.array([0.0, 0.6, 0.9, 0.5]),
        gap=np.array([0.5, 0.4, 0.6, 0.5]),
        reversal=np.array([0.0, 3.0, -5.0, 0.0]),
        asymmetry=zeros,
        wing=zeros,
        flow=zeros,
        flow_shift=zeros,
        subordinate=zeros,
    )


def test_brightness_is_the_integral_of_the_first_core_and_the_continuum(atom) -> None:
    wavelength = np.arange(2794.2, 2798.5, 0.005)
    dark = Photosphere(*(np.zeros(len(wavelength)) for _ in range(4)))
    spectra = radiance(atom, wavelength, shapes(), dark, resolution=0.02)
    speed = PASSBAND / LIGHT * next(iter(atom.cores.values()))
    expected = spectra.sum(axis=1) * 0.005 / speed + shapes().continuum
    assert brightness(shapes()) == pytest.approx(expected, rel=0.01)


def test_a_film_covers_the_raster_and_the_whole_recording(simulate, line: Line) -> None:
    source = simulate("observations=[PF_20140329_140938_3860258481]")
    (recording,) = source.recordings(line)
    found = film(recording, source.detector)
    plan = recording.schedule
    assert found.counts.shape == (len(found.time), plan.slit, found.counts.shape[2])
    assert found.time[0] == 0 and found.time[-1] > plan.peak and (np.diff(found.time) >= 60).all()
    assert set(found.time) <= set(recording.times.ravel())
    assert (found.counts.shape[2] - 1) / 2 * plan.pixel >= np.abs(recording.across).max() + 10
