"""The command line: builds the seams, calls create and receive, maps errors to exit codes."""
