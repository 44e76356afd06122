"""The audio-language backbones: what differs between their families, and how each is built."""
