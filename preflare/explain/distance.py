"""How far a spectrum lies from those that a network was trained with, as the network itself sees them."""

import torch
from torch import Tensor, nn


class HiddenDistance:
    """Mahalanobis distance in the last hidden layer to the nearer of the classes' means (Lee et al. 2018).

    network: in evaluation mode, with a dense layer last. spectra: (n, 1, wavelength) of the training side; labels:
    (n,) of 0 and 1, both of which occur. The covariance is that around the class means; units that hardly move there
    count as much as the one that moves most divided by 1000, so that a unit dead in training does not decide alone.
    """

    def __init__(self, network: nn.Module, spectra: Tensor, labels: Tensor) -> None:
        self.network = network
        self.last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
        hidden = self._hidden(spectra)
        self.means = torch.stack([hidden[labels == label].mean(dim=0) for label in (0, 1)])
        centred = hidden - self.means[labels]
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(hidden))
        # A network that answers the same to everything has no scale of its own.
        largest = values[-1] if values[-1] > 0 else torch.ones((), dtype=values.dtype)
        self.whiten = vectors / values.clamp_min(largest * 1e-6).sqrt()

    def __call__(self, spectra: Tensor) -> Tensor:
        """(n,) float64 of spectra (n, 1, wavelength)."""
        offsets = self._hidden(spectra)[:, None] - self.means
        return (offsets @ self.whiten).norm(dim=2).amin(dim=1)

    def _hidden(self, spectra: Tensor) -> Tensor:
        found: list[Tensor] = []
        hook = self.last.register_forward_hook(lambda layer, inputs, output: found.append(inputs[0]))
        try:
            with torch.no_grad():
                self.network(spectra)
        finally:
            hook.remove()
        return found[0].double()
