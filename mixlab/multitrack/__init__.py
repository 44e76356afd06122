"""Room multitrack: where songs come from, and the store that serves their segments."""
