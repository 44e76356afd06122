"""mixlab teaches audio-language models to advise on the balance of a mix, and measures how well they do."""

__version__ = "0.1.0"
