"""Banks of items over the demo songs."""

import pytest


@pytest.fixture(scope="session")
def build_bank(demo_source, demo_store, build_small):
    """Builds a bank over the demo songs, a clip a stem; further overrides are given as on the command line."""
    assert demo_store.songs  # the store is prepared

    def build(*overrides, source=None):
        items = ("evaluation.items_per_song=4", "evaluation.validation_items_per_song=2")
        return build_small(source or demo_source, "inputs.layout=stems", "seed=0", *items, *overrides)

    return build
