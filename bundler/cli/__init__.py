"""The command line: builds the seams, calls create and receive, maps errors to exit codes."""

from bundler.cli.main import main

__all__ = ["main"]
