"""Haiku networks that run on points and on complex jets. Importing them registers their names."""

from networks import algebraic  # noqa: F401
from networks import invariant  # noqa: F401
from networks import low_rank  # noqa: F401
from networks import phi  # noqa: F401
from networks import monomial_mlp  # noqa: F401
from networks import curvature_mlp  # noqa: F401
