"""The errors that facegap raises. Each message states what is wrong, where, and what to do."""


class FacegapError(Exception):
    """Base class of all errors of this package; the command line prints the message and exits with 2."""


class CardError(FacegapError):
    """A model or dataset card is malformed, ambiguous, or does not match its file."""


class FetchError(FacegapError):
    """Weights could not be downloaded, or the file received does not match the card."""


class TableError(FacegapError):
    """An input table is not usable; the message names file, line, column and remedy."""


class DeviceError(FacegapError):
    """The requested device is not available, or the installed onnxruntime packages conflict."""


class ModelError(FacegapError):
    """A model file cannot be loaded, or its inputs or outputs do not match its card."""


class ModelStoppedError(ModelError):
    """The process of a model crashed, hung, or exceeded its limits, and cannot be used any more."""


class SettingError(FacegapError, ValueError):
    """A setting is out of range, unknown, or contradicts another."""


class RunError(FacegapError):
    """A run folder is missing, not writable, of another run, or does not match its hashes."""


class SealError(FacegapError):
    """A run cannot be signed, or its signature is not by the given key."""


class MatchingError(FacegapError, ValueError):
    """Embeddings, subjects or groups cannot be compared; the message names the first offending row."""


class ClusterError(FacegapError):
    """Workers of a cluster are missing, differ, cannot read required files, or lost their scheduler."""


class StatisticsError(FacegapError, ValueError):
    """Counts or settings are invalid for a statistic (a value that is merely undefined is NaN instead)."""


class PluginError(FacegapError):
    """Two packages provide the same name, or an entry point does not have the type required by its group."""
