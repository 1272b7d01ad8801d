"""Errors spectrum by spectrum, the baseline, and ROC AUC against counting pairs."""

import numpy as np
import pytest
import torch

from preflare.model.quiet_error import MeanProfile, Tried, errors, weights_digest
from preflare.model.vae import VAE


def test_errors_are_of_each_spectrum_alone() -> None:
    torch.manual_seed(0)
    network = VAE(30, (4,), (5,), (5,), 8, 3, 1.5, 12).eval()
    spectra = np.random.default_rng(0).random((3, 4, 30), dtype=np.float32)
    spectra[1, 2, 7] = np.nan
    found = errors(network, spectra)
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 2]]
    for place in ((0, 0), (2, 3), (1, 1)):
        one = torch.from_numpy(spectra[place])[None, None]
        with torch.no_grad():
            expected = ((one - network.decode(network.encode(one)[0])).numpy() ** 2).sum()
        assert found[place] == pytest.approx(expected, rel=1e-5)


def test_the_baseline_is_the_distance_to_a_profile() -> None:
    spectra = np.random.default_rng(1).random((5, 30), dtype=np.float32)
    mean = spectra.mean(axis=0)
    found = errors(MeanProfile(torch.from_numpy(mean)), spectra)
    np.testing.assert_allclose(found, ((spectra - mean) ** 2).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("known", [True, False])
def test_auc_is_the_share_of_pairs_in_order(known: bool) -> None:
    random = np.random.default_rng(2)
    truth = random.random(40) < 0.4
    tried = Tried(random.random(40), random.random(40), np.zeros(40), truth if known else None)
    held_out, far = random.random(15) - 0.3, random.random(15)
    active = ~truth if known else np.ones(40, bool)
    for name, values, others in (("autoencoder", tried.error, held_out), ("mean profile", tried.distance, far)):
        quiet = np.concatenate([values[~active], others])
        expected = np.mean([a > q for a in values[active] for q in quiet])
        assert tried.auc(held_out, far)[name] == pytest.approx(expected)


def test_a_digest_is_of_the_weights() -> None:
    torch.manual_seed(0)
    one = VAE(30, (4,), (5,), (5,), 8, 3, 1.5, 12)
    before = weights_digest(one)
    with torch.no_grad():
        one.mean.bias[0] += 1e-6
    assert len(before) == 64 and weights_digest(one) != before
