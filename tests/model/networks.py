"""Networks that only tests need."""

import torch
from torch import nn


class Recurrent(nn.Module):
    """An LSTM along the wavelengths: torch.func has no rule for it."""

    def __init__(self, wavelengths: int) -> None:
        super().__init__()
        self.wavelengths = wavelengths
        self.lstm = nn.LSTM(24, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        """(batch, 1, wavelength) -> (batch, 2)."""
        return self.head(self.lstm(spectra.view(len(spectra), -1, 24))[0][:, -1])
