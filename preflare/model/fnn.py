"""The fully connected network that the paper contrasts with its ConvNet (Fig. A.1)."""

from collections.abc import Sequence

from torch import Tensor, nn

from preflare.checks import check_integers
from preflare.model.inputs import check_spectra


class FNN(nn.Module):
    """Dense layers with ReLU between them; spectra (batch, 1, wavelength) -> logits (batch, 2) of AR and PF.

    The paper draws the scheme and names no sizes. 12 and 8 units are those of the fully connected network of
    Zbinden et al. (2024), the same group's, for the same line.

    wavelengths: length of a spectrum.
    hidden: units of each hidden layer; without any the network is linear.

    Raises ConfigError for layers without units, ValueError for spectra of another shape.
    """

    def __init__(self, wavelengths: int, hidden: Sequence[int] = (12, 8)) -> None:
        super().__init__()
        check_integers("model.hidden", hidden, 1, or_empty=True)
        self.wavelengths = wavelengths
        layers: list[nn.Module] = [nn.Flatten()]
        before = wavelengths
        for units in hidden:
            layers += [nn.Linear(before, units), nn.ReLU()]
            before = units
        self.layers = nn.Sequential(*layers, nn.Linear(before, 2))

    def forward(self, spectra: Tensor) -> Tensor:
        """Logits (batch, 2) of spectra (batch, 1, wavelength)."""
        check_spectra(spectra, self.wavelengths)
        logits: Tensor = self.layers(spectra)
        return logits
