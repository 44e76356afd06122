"""Room items: which items there are, drawn from songs or exported; no model, no Lightning."""
