"""The command line: one module a command, flags read and errors told, the work in `trainer`."""
