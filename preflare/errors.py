"""The exceptions a user may meet. Each message is one sentence or two: found, expected, do this."""


class PreflareError(Exception):
    """Something the user can mend. The verbs print its message without a traceback and exit with 1."""


class ConfigError(PreflareError):
    """A value on the command line or in a config file that cannot be meant."""


class Level2Error(PreflareError):
    """A file or folder that is not the IRIS level-2 data it should be."""


class ArchiveError(PreflareError):
    """A file of an archive on the web that does not come, or is not what it should be."""


class UnreachableError(ArchiveError):
    """A server that does not answer, so that it is no use to ask it for anything else."""


class FlareError(PreflareError):
    """A flare list, an answer of HEK or a GOES file that cannot be used."""


class CatalogError(PreflareError):
    """A catalog, or an entry in it, that does not say what is needed."""


class ShardError(PreflareError):
    """A shard, or a folder of shards, that cannot be used."""


class PartitionError(PreflareError):
    """Observations that cannot be divided as asked."""


class RunError(PreflareError):
    """A run folder that is none, is unfinished, or holds another run."""
