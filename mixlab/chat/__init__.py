"""Room chat: the form of conversations: what a backbone takes, encoded and collated."""
