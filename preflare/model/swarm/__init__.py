"""Many members trained as one.

Members share an architecture, a batch size and a number of epochs; each has its own initial weights, partition,
order of batches, and numbers (learning rate, penalty, ...). Their parameters are stacked, one row a member.
Member k becomes what it would have become alone, and does not depend on who else is in the swarm.

Memory: 4 bytes x points for every clean spectrum that any member uses (held once); for a member 12 bytes for
every spectrum of its sides, 8 more for those it trains on, 16 bytes for each weight (itself, gradient, two
moments), and the activations of one batch, about three times.
"""


class CannotSwarm(Exception):
    """These members cannot be trained together, though each may be alone. Its message is a sentence that says why."""
