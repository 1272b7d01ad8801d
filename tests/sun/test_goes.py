import numpy as np
import pytest

from preflare.errors import ShardError
from preflare.sun.goes import Goes, class_flux, flare_class, is_strong


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


@pytest.mark.parametrize("name", ["X17.9", "M1.0", "C9.9", "A0.3"])
def test_a_class_and_its_flux_belong_together(name: str) -> None:
    assert flare_class(class_flux(name)) == name
    assert is_strong(name) is (name[0] in "MX")


@pytest.mark.parametrize("name", ["", "Q1", "M", "1.0", "X-1.0", "Minf", "M1e3", "M1.", "M 1.0", "X0", "M٣"])
def test_what_is_no_class(name: str) -> None:
    with pytest.raises(ValueError):
        class_flux(name)
