"""Every error that facegap raises on purpose. Each message says what was wrong, where, and what to do."""


class FacegapError(Exception):
    """Base of all errors of this package; the command line prints its message and exits with 2."""


class CardError(FacegapError):
    """A model or dataset card is malformed, ambiguous, or does not describe the file beside it."""


class FetchError(FacegapError):
    """Weights could not be brought to this machine, or what arrived is not what the card names."""


class TableError(FacegapError):
    """A table from outside is unusable; the message names file, line, column and cure."""


class DeviceError(FacegapError):
    """The promised device cannot be had, or the installed onnxruntime packages contradict each other."""


class ModelError(FacegapError):
    """A model file cannot be opened, or its inputs or outputs are not those of its card."""


class ModelStoppedError(ModelError):
    """The process of a model crashed, hung, or took more than it may; nothing more can be asked of it."""


class SettingError(FacegapError, ValueError):
    """A setting is out of its bounds, unknown, or contradicts another."""


class RunError(FacegapError):
    """A run folder is missing, unwritable, of another run, or does not match its own hashes."""


class SealError(FacegapError):
    """A run cannot be signed, or its signature is not that of the key that was named."""


class MatchingError(FacegapError, ValueError):
    """Embeddings, subjects or groups cannot be compared; the message names the first offending row."""


class ClusterError(FacegapError):
    """Workers of a cluster that are not there, differ, do not see what they must see, or lost their scheduler."""


class StatisticsError(FacegapError, ValueError):
    """Counts or settings for which a statistic is not defined at all (an undefined value is NaN instead)."""


class PluginError(FacegapError):
    """Two packages give one name, or an entry point of a package is not what its group asks for."""
