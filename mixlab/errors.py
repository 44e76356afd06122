"""Errors that mixlab raises for bad input: one sentence that names the key or file, the value and the remedy."""

import importlib.util


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


class TrainingError(MixlabError):
    """A training went where no figure of it means anything."""


def require(what: str, extra: str, *packages: str) -> None:
    """Raise ConfigError, with the extra of mixlab that brings them, unless packages can be imported.

    Args:
        what: needs them, as a sentence begins, such as "The analysis".
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            name, remedy = package.replace("_", "-"), f"pip install 'mixlab[{extra}]'"
            raise ConfigError(f"{what} needs the package {name}, which is not installed; {remedy}.")
