"""A way whose gradients are known."""

import numpy as np
import torch

from preflare.report import paths


def test_a_quadratic_is_shared_out_exactly() -> None:
    stream = torch.Generator().manual_seed(0)
    spectrum, baseline = torch.rand(2, 12, generator=stream, dtype=torch.float64)
    weights = torch.rand(12, generator=stream, dtype=torch.float64)
    way = paths.walk(lambda spectra: (weights * spectra[:, 0] ** 2).sum(dim=1), spectrum, baseline, 7)
    # The gradient is linear on the way: trapezoids are exact.
    np.testing.assert_allclose(way.attribution, (weights * (spectrum**2 - baseline**2)).numpy(), atol=1e-12)
    np.testing.assert_allclose(way.attribution.sum(), way.said[-1] - way.said[0], atol=1e-12)
    np.testing.assert_allclose(way.spectra[[0, -1]], torch.stack([baseline, spectrum]).numpy(), atol=1e-12)
    np.testing.assert_allclose(way.spectra[3], ((spectrum + baseline) / 2).numpy(), atol=1e-12)
    np.testing.assert_allclose(way.positions, np.linspace(0, 1, 7))
