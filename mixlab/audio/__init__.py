"""Room audio: levels, loudness, resampling and files; pure functions with units in their names."""
