"""Backbones, adapters, the loss, generation, the LightningModule and checkpoints."""

import logging
import warnings

# Imported by peft, bitsandbytes warns on every CPU that an optional kernel package is missing; nothing here uses it.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
# Whenever an adapter is made or loaded, peft asks transformers for a property of an older name.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
