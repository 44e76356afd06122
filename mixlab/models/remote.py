"""Checkpoints that lie on the Hugging Face Hub, as ``hf://user/name`` or ``hf://user/name@revision``."""

from __future__ import annotations

import re
from pathlib import Path

from mixlab.errors import CheckpointError

SCHEME = "hf://"
_ADDRESS = re.compile(r"^hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?$")

FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", "vocab.txt", "merges.txt", "*/merges.txt"]
"""What is fetched: weights as safetensors, descriptions, tokenizers; never code, never a pickle."""


def locate_checkpoint(name: str) -> Path:
    """The folder of a checkpoint: `name` itself, or where the Hub's copy lies after it was fetched into the HF cache.

    Raises:
        CheckpointError: if the address is none, or the repository cannot be found or reached and is not in the cache.
    """
    if not name.startswith(SCHEME):
        return Path(name).expanduser()
    found = _ADDRESS.match(name)
    if found is None:
        raise CheckpointError(
            f"checkpoint is '{name}', which is no address; write hf://user/name or hf://user/name@revision."
        )
    return _fetch(found["repo"], found["revision"])


def _fetch(repo: str, revision: str | None) -> Path:
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    at = f" at revision '{revision}'" if revision else ""
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=FILES))
    except hub.GatedRepoError:
        reason = "its owner asks for agreement first; agree on its page and log in with `hf auth login`"
    except hub.RepositoryNotFoundError:
        reason = "there is no such model, or it is private; check the name, or log in with `hf auth login`"
    except hub.RevisionNotFoundError:
        reason = "it has no such revision; give a branch, tag or commit that it has"
    except hub.HFValidationError:
        reason = "the Hub has no such names; write hf://user/name"
    except (hub.LocalEntryNotFoundError, hub.IncompleteSnapshotError, hub.OfflineModeIsEnabled):
        reason = (
            "the Hub cannot be reached (or HF_HUB_OFFLINE is set) and it is not in the local cache; go online once, or "
            "give a local folder"
        )
    except (hub.HTTPError, OSError) as error:  # the former of whichever library makes the client's connections
        reason = f"the download failed ({type(error).__name__}); try again, what was fetched is kept"
    raise CheckpointError(f"The checkpoint hf://{repo}{at} cannot be fetched: {reason}.")
