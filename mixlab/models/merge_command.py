"""Write what a run trained as one model, a plain transformers folder without an adapter.

    mixlab merge checkpoint=outputs/bass_anchor/<run> out=/data/merged

transformers and vLLM load the folder; mixlab is not needed for that. An adapter trained with adapter=qlora is merged
onto the backbone in full precision. With adapter.train_projector=false the adapter folder alone can be served too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixlab.settings import FilePath, Settings


class MergeSettings(Settings):
    """What is merged, and the folder of the merged model, new or empty."""

    checkpoint: FilePath
    out: FilePath


def main(settings: MergeSettings) -> None:
    """Merge, write, and say what can be served."""
    print(merge(settings))


def merge(settings: MergeSettings) -> str:
    """Write the merged model and its processor; returns sentences on what was written and what can be served.

    Weights keep the type that the backbone came in; what was held in four bits for training is taken in that type, too.

    Raises:
        CheckpointError: if `checkpoint` is no run, or does not fit the backbone that it names.
        InputFileError: if `out` has content or cannot be written.
    """
    from peft import PeftModel

    from mixlab.models.checkpoints import find_trained, load_trained
    from mixlab.storage import whole_folder

    folder, out = find_trained(Path(settings.checkpoint).expanduser()), Path(settings.out).expanduser().absolute()
    with whole_folder(out) as part:
        trained = load_trained(folder, full_precision=True)
        model: Any = trained.backbone.model
        said = [f"{out} holds the merged model; transformers and vLLM load it."]
        if isinstance(model, PeftModel):
            if not model.peft_config["default"].modules_to_save:
                said.append(f"The projector was frozen, so {folder} can be served as it is, as an adapter.")
            model = model.merge_and_unload()
        else:
            said.append("The run had no adapter, so its own weights were written.")
        if trained.description.quantization:
            said.append("It was trained on four-bit weights and is merged onto the backbone in full precision.")
        model.save_pretrained(part)
        trained.backbone.processor.save_pretrained(part)
    return " ".join(said)
