"""Room language: what advice says, how it is put into words, and how words are read back."""
