import numpy as np
import pytest

from preflare.errors import ShardError
from preflare.sun.goes import Goes, flare_class


@pytest.mark.parametrize(
    ("flux", "name"),
    [(1e-4, "X1.0"), (1.79e-3, "X17.9"), (2.39e-5, "M2.3"), (1e-5, "M1.0"), (9.99e-6, "C9.9"), (3e-9, "A0.3")],
)
def test_classes_are_cut_to_a_decimal(flux: float, name: str) -> None:
    assert flare_class(flux) == name


@pytest.mark.parametrize(("times", "fluxes"), [([0.0, 1.0], [1e-6]), ([1.0, 1.0], [1e-6, 1e-6])])
def test_what_is_no_curve_is_refused(times: list, fluxes: list) -> None:
    with pytest.raises(ShardError, match="GOES"):
        Goes(np.array(times), np.array(fluxes))
