"""A Ctrl-C while a checkpoint is written takes effect when the file is whole."""

import signal

import pytest

from mixlab.checkpointing import save_whole


class Trainer:
    """Writes a checkpoint in the middle of which the user presses Ctrl-C."""

    is_global_zero = True

    def save_checkpoint(self, path, weights_only):
        signal.raise_signal(signal.SIGINT)
        path.write_text("whole")


def test_an_interrupted_checkpoint_is_written_whole_and_the_interrupt_is_not_lost(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        save_whole(Trainer(), tmp_path / "last.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert (tmp_path / "last.ckpt").read_text() == "whole"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
