"""A deeper ConvNet than the paper's, to see what depth, batch normalisation and dropout change."""

from collections.abc import Sequence

from torch import Tensor, nn

from preflare.checks import check_integer, check_integers, check_number
from preflare.errors import ConfigError
from preflare.model.inputs import check_spectra


class DeepConvNet(nn.Module):
    """Convolutions with batch normalisation, then dense layers with dropout; spectra (batch, 1, wavelength) ->
    logits (batch, 2) of AR and PF.

    Every convolution halves the length (stride 2) and is padded by half its kernel, so that all wavelengths are
    seen. ``features`` ends with the last convolution's activation.

    wavelengths: length of a spectrum.
    channels: of each convolution.
    kernel: size of all of them, odd.
    hidden: units of the first dense layer.
    dropout: probability, before each dense layer.

    Raises ConfigError for an even kernel or sizes below 1, ValueError for spectra of another shape.
    """

    def __init__(
        self,
        wavelengths: int,
        channels: Sequence[int] = (8, 16, 32, 32),
        kernel: int = 7,
        hidden: int = 16,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        check_integers("model.channels", channels, 1)
        check_integer("model.kernel", kernel, 1)
        check_integer("model.hidden", hidden, 1)
        check_number("model.dropout", dropout, 0, 0.999)
        if kernel % 2 == 0:
            raise ConfigError(f"model.kernel is {kernel}, expected an odd number, so that padding is symmetric.")
        self.wavelengths = wavelengths
        layers: list[nn.Module] = []
        length, before = wavelengths, 1
        for after in channels:
            # The normalisation that follows has its own offset.
            layers += [
                nn.Conv1d(before, after, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm1d(after),
                nn.ReLU(),
            ]
            length, before = (length + 1) // 2, after
        self.features = nn.Sequential(*layers)
        self.flatten = nn.Flatten()
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(before * length, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 2),
        )

    def forward(self, spectra: Tensor) -> Tensor:
        """Logits (batch, 2) of spectra (batch, 1, wavelength)."""
        check_spectra(spectra, self.wavelengths)
        logits: Tensor = self.head(self.flatten(self.features(spectra)))
        return logits
