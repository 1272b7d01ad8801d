"""Many members trained as one.

Members share an architecture, a batch size and a number of epochs; each has its own initial weights, partition,
order of batches, and numbers (learning rate, penalty, ...). Their parameters are stacked, one row a member.
Member k becomes what it would have become alone, and does not depend on who else is in the swarm.

On a CPU, chains of common layers with cross-entropy are trained by compiled loops (``compiled``), one member after
the other in the cache of a core; every other network, loss and device goes the way of torch.func (``vectorised``).

Memory: 4 bytes x points for every clean spectrum that any member uses (held once, twice that for float64); for a
member 12 bytes for every spectrum of its sides, 8 more for those it trains on, 16 bytes for each weight (itself,
gradient, two moments), and by torch.func number x (points + outputs of all layers) x the larger of 3 batches in
training and 1.5 x 512 spectra in evaluation. Compiled loops take that last part once a thread, for one batch, with
twice the outputs for their slopes; ``memory`` counts it for every member, and so splits a swarm earlier than needed.
"""


class CannotSwarm(Exception):
    """These members cannot be trained together, though each may be alone. Its message is a sentence that says why."""
