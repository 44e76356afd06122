"""A data module over the demo songs, and its pieces."""

import pytest

from mixlab.data.dataset import ExampleMaker
from mixlab.data.module import DataSettings, FrozenItems, MixDataModule
from mixlab.multitrack.segments import Gates
from mixlab.synthesis.augment import Augmentation
from mixlab.synthesis.example import Inputs


@pytest.fixture(scope="session")
def maker(demo_store, protocol, encoder):
    """Makes examples of the demo songs."""
    return ExampleMaker(demo_store, protocol, Inputs.STEMS, encoder)


@pytest.fixture(scope="session")
def build_module(demo_source, demo_store, demo_cache, protocol, encoder):
    """Builds data modules over the demo songs; what differs from the default is given by name."""

    def build(
        *,
        train_protocol=None,
        frozen_protocol=None,
        augmentation=None,
        gates=None,
        frozen_seed=11,
        workers=0,
        batch_size=4,
        source=None,
        **changes,
    ):
        assert demo_store.songs  # the store is prepared
        settings = DataSettings(
            10.0, 1.0, batch_size, 4, 12, workers, 1, gates or Gates(), augmentation or Augmentation()
        )
        module = MixDataModule(
            source or demo_source,
            encoder,
            train_protocol or protocol,
            changes.pop("inputs", Inputs.STEMS),
            settings,
            FrozenItems(frozen_seed, frozen_protocol or protocol, 4, 2, 1.0, Gates()),
            changes.pop("cache_dir", demo_cache),
            changes.pop("seed", 0),
            changes.pop("features_in_worker", True),
        )
        assert not changes
        module.setup()
        return module

    return build


@pytest.fixture(scope="session")
def segment_of_all(demo_segments):
    """A segment in which all four stems are active."""
    return next(segment for segment in demo_segments if len(segment.stems) == 4)
