"""What is explained: the log-odds of PF.

Never the class that won, and never one logit alone: a softmax does not change when both logits shift, so the
offset of one of them is arbitrary, while the log-odds are what the network says.
"""

from collections.abc import Callable

from torch import Tensor, nn

QUANTITY = "log-odds of PF"


def log_odds(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network as a function of spectra (batch, 1, wavelength) to logit PF minus logit AR, (batch,)."""

    def explained(spectra: Tensor) -> Tensor:
        logits: Tensor = network(spectra)
        return logits[:, 1] - logits[:, 0]

    return explained
