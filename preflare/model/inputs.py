"""What every network takes: spectra as (batch, 1, wavelength)."""

from torch import Tensor


def check_spectra(spectra: Tensor, wavelengths: int) -> None:
    """Raise ValueError unless spectra is (batch, 1, wavelengths).

    Strided convolutions would take a few wavelengths more or fewer without a word.
    """
    if spectra.ndim != 3 or spectra.shape[1:] != (1, wavelengths):
        raise ValueError(f"Spectra have shape {tuple(spectra.shape)}, the network expects (batch, 1, {wavelengths}).")
