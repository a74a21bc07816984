"""The command line: builds the seams, calls create and receive, maps errors to exit codes."""

import gc

# Modules, and later the pages of an index, are many objects that live until the end: to look for
# cycles among them again and again takes a fifth of the time to load, and a tenth of planning's.
gc.set_threshold(200_000)

from bundler.cli.main import main  # noqa: E402 - modules are such objects as well

__all__ = ["main"]
