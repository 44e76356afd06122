"""Room training: how the tiny base learns to listen. It describes clips; it never hears of errors or advice."""
