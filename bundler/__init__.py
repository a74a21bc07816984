"""Bundler: Python packages across the air gap."""

__version__ = "0.1.0"
