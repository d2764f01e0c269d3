"""Haiku networks that run on points and on complex jets. Importing them registers their names."""

from networks import phi  # noqa: F401
