"""The machine: geometry, sampling, the fields that are learned, optimisers, the training loop.

What most people need is here by name; the rooms of the house say what they hold in their own
`__init__`. An import runs back up nowhere: each room imports only those below it,

  errors < geometry < devices < sampling < points < problem < curvature < metric < optimizers
    < run < certificate < loop < moduli < quadrature < spectrum < harmonic < bundles < use
    < benchmarks

and networks/ imports nothing from here.
"""

import importlib

_HOMES = {
  "UserError": "errors",
  "certify": "certificate.certify",
  "curvature_of": "use.any_metric",
  "default_config": "run.config",
  "load_metric": "use.run",
  "load_run": "use.run",
  "make_variety": "geometry.description",
  "train": "loop.train",
  "variety": "geometry.description",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
  """Imports a public name when it is first asked for: naming one room does not load the others."""
  if name not in _HOMES:
    raise AttributeError(f"module 'trainer' has no attribute {name!r}")
  return getattr(importlib.import_module(f"trainer.{_HOMES[name]}"), name)
