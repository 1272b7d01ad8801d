"""The paper's ConvNet (Sect. 3, Fig. 3)."""

from collections.abc import Sequence

from torch import Tensor, nn

from preflare.checks import check_integer, check_integers
from preflare.errors import ConfigError
from preflare.model.inputs import check_spectra


class ConvNet(nn.Module):
    """Two convolutions, a max-pooling and two dense layers; spectra (batch, 1, wavelength) -> logits (batch, 2).

    The logits are of AR and PF. ``features`` ends with the last convolution's activation. The defaults are the
    paper's: 363 parameters for its grid, of which the last four points reach no weight (the strides end before
    them).

    wavelengths: length of a spectrum.
    channels, kernels, strides: of the convolutions, without padding.
    pool: size and stride of the max-pooling.
    hidden: units of the first dense layer.

    Raises ConfigError for sizes below 1 or if the convolutions leave nothing of a spectrum, ValueError for spectra of
    another shape.
    """

    def __init__(
        self,
        wavelengths: int,
        channels: Sequence[int] = (2, 4),
        kernels: Sequence[int] = (20, 10),
        strides: Sequence[int] = (3, 3),
        pool: int = 2,
        hidden: int = 5,
    ) -> None:
        super().__init__()
        for name, sizes in (("channels", channels), ("kernels", kernels), ("strides", strides)):
            check_integers(f"model.{name}", sizes, 1)
        check_integer("model.pool", pool, 1)
        check_integer("model.hidden", hidden, 1)
        if not len(channels) == len(kernels) == len(strides):
            raise ConfigError(
                f"The ConvNet has {len(channels)} channels, {len(kernels)} kernels and {len(strides)} strides, "
                "expected one of each for every convolution."
            )
        self.wavelengths = wavelengths
        layers: list[nn.Module] = []
        length, before = wavelengths, 1
        for after, kernel, stride in zip(channels, kernels, strides, strict=True):
            layers += [nn.Conv1d(before, after, kernel, stride), nn.ReLU()]
            length, before = (length - kernel) // stride + 1, after
        length //= pool
        if length < 1:
            raise ConfigError(
                f"{wavelengths} wavelengths are too few for a ConvNet with kernels {list(kernels)}, "
                f"strides {list(strides)} and pooling {pool}: nothing is left. Use smaller ones."
            )
        self.features = nn.Sequential(*layers)
        self.pool = nn.MaxPool1d(pool)
        self.flatten = nn.Flatten()
        self.head = nn.Sequential(nn.Linear(before * length, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def forward(self, spectra: Tensor) -> Tensor:
        """Logits (batch, 2) of spectra (batch, 1, wavelength)."""
        check_spectra(spectra, self.wavelengths)
        logits: Tensor = self.head(self.flatten(self.pool(self.features(spectra))))
        return logits
