"""Room evaluation: probes, which ask whether a model listens, uses the anchor and holds its ground."""

from mixlab.evaluation.probes.anchors import anchor_swap_probe
from mixlab.evaluation.probes.audio import constrained_probe, global_gain_probe, other_audio, shuffled_audio_probe
from mixlab.evaluation.probes.base import Ask, Probe, spread, write_probes
from mixlab.evaluation.probes.claims import claim_swap_probe
from mixlab.evaluation.probes.sheets import probe_sheets

__all__ = [
    "Ask",
    "Probe",
    "anchor_swap_probe",
    "claim_swap_probe",
    "constrained_probe",
    "global_gain_probe",
    "other_audio",
    "probe_sheets",
    "shuffled_audio_probe",
    "spread",
    "write_probes",
]
