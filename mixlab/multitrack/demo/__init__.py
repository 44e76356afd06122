"""Room multitrack: songs that mixlab composes and renders itself, so that everything runs without a download."""
