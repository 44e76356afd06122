"""`python -m mixlab.train`, the same as `mixlab train`."""

from mixlab.__main__ import main

if __name__ == "__main__":
    main(["train"])
