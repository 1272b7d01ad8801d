"""The shape every network takes."""

import pytest
import torch

from preflare.model.inputs import check_spectra


def test_the_right_shape_passes() -> None:
    check_spectra(torch.zeros(3, 1, 40), 40)


@pytest.mark.parametrize("shape", [(3, 1, 41), (3, 2, 40), (3, 40), (3, 1, 1, 40)])
def test_any_other_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expects \(batch, 1, 40\)"):
        check_spectra(torch.zeros(shape), 40)
