"""Bundler: Python packages across the air gap."""

__version__ = "0.1.0"

TOOL = f"bundler {__version__}"
"""How this program names itself in what it writes."""
