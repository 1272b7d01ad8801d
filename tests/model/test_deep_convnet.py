"""The deeper ConvNet: shapes, what it sees, and that normalisation and dropout do their work."""

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.nn import functional

from preflare.command import CONF
from preflare.errors import ConfigError
from preflare.model.deep_convnet import DeepConvNet


@pytest.mark.parametrize("wavelengths", [240, 241, 37, 1])
def test_any_grid_gives_two_logits(wavelengths: int) -> None:
    assert DeepConvNet(wavelengths)(torch.rand(3, 1, wavelengths)).shape == (3, 2)


def test_the_config_builds_the_defaults() -> None:
    config = OmegaConf.create(
        {"line": OmegaConf.load(CONF / "line/mg_ii.yaml"), "model": OmegaConf.load(CONF / "model/deep_convnet.yaml")}
    )
    network = instantiate(config.model)
    assert str(network) == str(DeepConvNet(240))
    assert network.features(torch.rand(2, 1, 240)).shape == (2, 32, 15)


def test_evaluation_equals_the_layers_by_hand() -> None:
    torch.manual_seed(0)
    network = DeepConvNet(40, channels=(3, 4), kernel=5, hidden=6).double()
    for _ in range(3):
        network(torch.rand(16, 1, 40, dtype=torch.float64))  # gives the running statistics something to hold
    network.eval()
    spectra = torch.rand(5, 1, 40, dtype=torch.float64)
    signal = spectra
    for convolution, norm in ((network.features[0], network.features[1]), (network.features[3], network.features[4])):
        signal = functional.conv1d(functional.pad(signal, (2, 2)), convolution.weight, stride=2)
        mean, variance = norm.running_mean[:, None], norm.running_var[:, None]
        signal = (signal - mean) / (variance + norm.eps).sqrt() * norm.weight[:, None] + norm.bias[:, None]
        signal = signal.clamp(min=0)
    first, last = network.head[1], network.head[4]
    expected = (signal.flatten(1) @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias
    torch.testing.assert_close(network(spectra), expected)


def test_every_wavelength_is_seen() -> None:
    torch.manual_seed(0)
    network = DeepConvNet(240).eval()
    spectra = torch.rand(64, 1, 240, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(spectra)[:, 1].sum(), spectra)
    assert (gradient.abs().amax(dim=(0, 1)) > 0).all()


def test_dropout_draws_in_training_only() -> None:
    torch.manual_seed(0)
    network = DeepConvNet(40)
    spectra = torch.rand(4, 1, 40)
    assert not torch.equal(network(spectra), network(spectra))
    network.eval()
    assert torch.equal(network(spectra), network(spectra))


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ConfigError, match="model.kernel is 6, expected an odd number"):
        DeepConvNet(240, kernel=6)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"channels": [8, 0]}, r"model.channels is \[8, 0\], expected a list"),
        ({"kernel": -3}, "model.kernel is -3, expected a whole number of 1 or more"),
        ({"hidden": 0}, "model.hidden is 0, expected a whole number of 1 or more"),
        ({"dropout": 1.0}, "model.dropout is 1.0, expected a number from 0 to 0.999"),
    ],
)
def test_sizes_that_cannot_be_meant(sizes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DeepConvNet(240, **sizes)


def test_a_spectrum_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expects \(batch, 1, 240\)"):
        DeepConvNet(240)(torch.rand(2, 1, 239))
