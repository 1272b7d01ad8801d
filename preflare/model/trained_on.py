"""What a model was trained on, and which shards it may therefore judge."""

from collections.abc import Mapping

from preflare.data.shard import Shard
from preflare.errors import ShardError

ORIGINS = {"simulation": "the simulated Sun", "level2": "real spectra"}


def check_line(shard: Shard, trained_on: Mapping[str, str], who: str, remedy: str) -> None:
    """Raise ShardError if a shard holds another line than a model was trained on.

    who: the model, as a sentence calls it. remedy: what to do, such as "Train one".
    """
    if shard.header.line != trained_on["line"]:
        raise ShardError(
            f"{shard.path} holds the line {shard.header.line}, {who} was trained on {trained_on['line']}. {remedy} "
            f"line={shard.header.line}"
        )


def check_kind(shard: Shard, trained_on: Mapping[str, str], who: str, remedy: str, allow_simulated: bool) -> None:
    """Raise ShardError if a shard is of another instrument, or of another kind of Sun where that is not allowed."""
    header = shard.header
    instrument = str(header.settings.get("instrument", trained_on["instrument"]))
    if instrument != trained_on["instrument"]:
        raise ShardError(
            f"{shard.path} was taken by {instrument}, {who} was trained on {trained_on['instrument']}. "
            f"{remedy} of {instrument}."
        )
    if header.origin != trained_on["origin"] and not allow_simulated:
        raise ShardError(
            f"{shard.path} holds {ORIGINS[header.origin]}, {who} was trained on {ORIGINS[trained_on['origin']]}. "
            f"{remedy} of that kind, or say allow_simulated=true: shards and figures will then say so."
        )
