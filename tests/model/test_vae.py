"""The VAE's layers are those of the published one, its answer draws nothing, its latent means keep to their box."""

import numpy as np
import pytest
import torch
from torch import nn

from preflare.errors import ConfigError
from preflare.model.vae import VAE, reconstruction_error


def build(**changes: object) -> VAE:
    torch.manual_seed(0)
    given = {"channels": (10, 20), "kernels": (10, 6), "strides": (10, 6), "encoder": 50, "latent": 4}
    return VAE(**{"wavelengths": 240, **given, "bound": 1.5, "decoder": 100, **changes})


def test_it_has_the_published_sizes() -> None:
    counts = [weights.numel() for weights in build().parameters()]
    assert sum(counts) == 30_528
    pairs = [a + b for a, b in zip(counts[::2], counts[1::2], strict=True)]
    assert pairs == [110, 1220, 4050, 204, 204, 500, 24_240]


def test_an_answer_is_the_decoded_mean_and_never_changes() -> None:
    network, spectra = build(), torch.rand(7, 1, 240)
    answer = network(spectra)
    assert answer.shape == spectra.shape and (answer > 0).all() and (answer < 1).all()
    assert torch.equal(answer, network(spectra))
    assert torch.equal(answer, network.decode(network.encode(spectra)[0]))


def test_means_keep_to_their_box() -> None:
    network = build(bound=0.7)
    for name, factor in (("weight", 1e4), ("bias", 1.0)):
        nn.init.constant_(getattr(network.mean, name), factor)
    assert network.encode(torch.rand(50, 1, 240))[0].abs().max() <= 0.7
    inside = build(bound=1e6)
    hidden = inside.encoder(torch.rand(5, 1, 240))
    torch.testing.assert_close(inside.bound * torch.tanh(inside.mean(hidden) / inside.bound), inside.mean(hidden))


def test_the_error_is_a_sum_of_squares() -> None:
    random = np.random.default_rng(0)
    a, b = random.random((2, 5, 1, 240))
    expected = [sum((x - y) ** 2 for x, y in zip(p[0], q[0], strict=True)) for p, q in zip(a, b, strict=True)]
    np.testing.assert_allclose(reconstruction_error(torch.from_numpy(a), torch.from_numpy(b)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kernels": (10,)}, "has 2 channels, 1 kernels and 2 strides"),
        ({"wavelengths": 40}, "40 wavelengths are too few"),
        ({"bound": 0}, "model.bound is 0, expected a number above 0"),
    ],
)
def test_layers_that_cannot_be(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(**changes)


def test_spectra_of_another_length() -> None:
    with pytest.raises(ValueError, match="expects"):
        build()(torch.rand(2, 1, 239))
