"""Room models: backbones, adapters, the loss, generation, the LightningModule and checkpoints."""

import logging

# Imported by peft, bitsandbytes warns on every CPU that an optional kernel package is missing; nothing here uses it.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
