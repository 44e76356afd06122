"""Room cli: the table of commands, from the command line to a command's typed settings, and errors in one sentence."""
