"""Make the folders that go to the Hugging Face Hub, and upload them when told to.

    mixlab publish checkpoint=RUN repo=user/name out=release                  makes and shows them, uploads nothing
    mixlab publish checkpoint=RUN repo=user/name out=release dry_run=false    uploads what lies there, private
    mixlab publish ... what=[model,space] form=merged                         only some; without an adapter

checkpoint    the card's figures are its metrics.json
what          model: adapter or merged weights, processor, card. dataset: items, indices and gains, audio only where
              every song's licence allows it. space: the web interface with the adapter and mixlab's own code
out           read it before you upload; what lies there is uploaded as it is, so the cards may be edited
private       repositories are made private; one that is public already is refused unless private=false
form          merged where a server refuses the adapter (vLLM, if the projector was trained)
base_model    and base_revision, base_licence: what the run cannot tell of its base
exported      an export of mixlab export to publish in place of one made from the run's configuration

Log in with `hf auth login` (or HF_TOKEN) before dry_run=false. An upload that was stopped is started again and goes on.
"""

from __future__ import annotations

from mixlab.hub.settings import PublishSettings


def main(settings: PublishSettings) -> None:
    """Make, show and, where asked, upload.

    Raises:
        MixlabError: one sentence on what is wrong, before the long work wherever that can be known.
    """
    from mixlab.hub.publishing import publish

    publish(settings)
