import numpy as np

from preflare.sun.line import Line


def test_exposure_times_are_those_of_the_counts(simulate, line: Line) -> None:
    (recording,) = simulate("observations=[PF_20140329_140938_3860258481]", "simulation.detector.lost=0.3").recordings(
        line
    )
    exposures = np.arange(5, 45)
    counts, seconds = recording.counts(exposures)
    assert np.array_equal(recording.seconds(exposures), seconds)
    assert set(seconds) == {0.0, recording.schedule.exposure}
    assert ((counts == -200).all(axis=(1, 2)) == (seconds == 0)).all()
