"""Folders brought to the Hugging Face Hub; the token is huggingface_hub's own affair and is shown nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixlab.errors import MixlabError

PAGES = {"model": "", "dataset": "datasets/", "space": "spaces/"}


@dataclass(frozen=True)
class Upload:
    """A folder and where it goes."""

    kind: str
    folder: Path
    repo: str
    private: bool

    @property
    def page(self) -> str:
        """The repository's address below the Hub's."""
        return f"{PAGES[self.kind]}{self.repo}"


def check_token() -> str:
    """The token of who is logged in, found before any long work.

    Raises:
        MixlabError: if there is none.
    """
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        raise MixlabError("You are not logged in to the Hugging Face Hub; run `hf auth login`, or set HF_TOKEN.")
    return token


def upload(what: Upload, message: str, api: Any = None) -> str:
    """Make the repository if it is not there, and bring the folder into it; one that was stopped goes on.

    Args:
        api: a `huggingface_hub.HfApi`.

    Returns:
        The address of what is there now.

    Raises:
        MixlabError: if the Hub refuses, cannot be reached, or has a public repository in the place of a private one.
    """
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub

    api = api or HfApi()
    try:
        sdk = {"space_sdk": "gradio"} if what.kind == "space" else {}
        api.create_repo(what.repo, repo_type=what.kind, private=what.private, exist_ok=True, **sdk)
        if what.private and not api.repo_info(what.repo, repo_type=what.kind).private:
            raise MixlabError(
                f"The {what.kind} repository {what.repo} is there already and is public; publish with private=false, "
                "or choose another repo=."
            )
        api.upload_folder(repo_id=what.repo, repo_type=what.kind, folder_path=what.folder, commit_message=message)
    except hub.OfflineModeIsEnabled as error:
        raise MixlabError("HF_HUB_OFFLINE is set, so nothing can be uploaded; unset it.") from error
    except hub.HfHubHTTPError as error:
        raise MixlabError(_sentence(what, error.response.status_code)) from None
    except (hub.HTTPError, OSError) as error:
        raise MixlabError(
            f"The upload of the {what.kind} to {what.repo} was cut off ({type(error).__name__}); start the same "
            "command again, it goes on."
        ) from None
    return f"{api.endpoint}/{what.page}"


def _sentence(what: Upload, status: int) -> str:
    if status == 401:
        return "The Hub does not know the token; run `hf auth login` with a token that may write."
    if status == 403:
        return f"The token may not write to {what.repo}; use one that may, or choose a repo= of your own name."
    if status == 409:
        return f"The name {what.repo} is taken by another repository; choose another repo=."
    return (
        f"The Hub refused the {what.kind} {what.repo} (HTTP {status}); try again later, what was uploaded is kept, and "
        "look at https://status.huggingface.co."
    )
