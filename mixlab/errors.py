"""Errors that mixlab raises for bad input: one sentence that names the key or file, the value and the remedy."""


class MixlabError(Exception):
    """Base of the errors that a command prints as one sentence, without a traceback, and exits with code 2."""


class ConfigError(MixlabError):
    """A configuration key has a value that cannot work."""


class InputFileError(MixlabError):
    """A file or folder given by the user is missing, unreadable or does not hold what it should."""


class CheckpointError(MixlabError):
    """A checkpoint does not fit the model, or is incomplete."""


class StorageError(MixlabError):
    """A folder that mixlab writes to is full or read-only."""
