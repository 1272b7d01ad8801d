"""What is explained: the log-odds of PF, or, where asked for, the probability of PF or one logit.

Never the class that won: what is explained would change its meaning from spectrum to spectrum. One logit alone has
an arbitrary offset, since a softmax does not change when both shift, so that the log-odds are the default.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preflare.errors import ConfigError


@dataclass(frozen=True)
class Quantity:
    """title: in sentences. weights: of the logits AR and PF in a sum. squashed: whether its sigmoid is meant."""

    title: str
    weights: tuple[float, float]
    squashed: bool = False

    def __call__(self, logits: Tensor) -> Tensor:
        """(n,) of logits (n, 2)."""
        ar, pf = self.weights
        value = (pf * logits[:, 1] if pf else 0) + (ar * logits[:, 0] if ar else 0)
        assert isinstance(value, Tensor)
        return torch.sigmoid(value) if self.squashed else value


LOG_ODDS = "log_odds"
# Name in configs and cubes -> what it is.
QUANTITIES = {
    LOG_ODDS: Quantity("log-odds of PF", (-1.0, 1.0)),
    "probability": Quantity("probability of PF", (-1.0, 1.0), squashed=True),
    "logit_pf": Quantity("logit of PF", (0.0, 1.0)),
    "logit_ar": Quantity("logit of AR", (1.0, 0.0)),
}


def explained(network: nn.Module, quantity: str) -> Callable[[Tensor], Tensor]:
    """The network as a function of spectra (batch, 1, wavelength) to a quantity, (batch,)."""
    return lambda spectra: QUANTITIES[quantity](network(spectra))


def log_odds(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network as a function of spectra (batch, 1, wavelength) to logit PF minus logit AR, (batch,)."""
    return explained(network, LOG_ODDS)


def check_quantity(name: str) -> None:
    """Raise ConfigError unless a quantity has this name."""
    if name not in QUANTITIES:
        *some, last = QUANTITIES
        raise ConfigError(f"explained is {name!r}, expected {', '.join(some)} or {last}.")
