"""The spectrum of a run's metric from Python: eigenfunctions as ordinary JAX functions."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from networks import sections as section_jets
from trainer.errors import UserError
from trainer.geometry.variety import Variety
from trainer.quadrature import functions, of_run
from trainer.spectrum import write
from trainer.use import evaluation, points
from trainer.use.chart import Chart
from trainer.use.fields import cast


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=["values", "level", "forms"],
  meta_fields=["variety", "degree"],
)
@dataclasses.dataclass(frozen=True)
class Eigenfunctions:
  """u_1, .., u_L, Delta u_i = lambda_i u_i, of mean square 1 over the manifold: a pytree.

  Attributes:
    variety: the manifold.
    degree: k of the functions s_A conj(s_B) / prod_i |z^(i)|^(2 k) that u_i are made of.
    values: (L,), lambda, ascending, of the metric scaled to volume 1.
    level: (L,) whole numbers 0, 1, .., the multiplet of each.
    forms: (L, N_k, N_k) real, see trainer.quadrature.functions.
  """

  variety: Variety
  degree: int
  values: jax.Array
  level: jax.Array
  forms: jax.Array

  def __call__(self, x: jax.Array) -> jax.Array:
    """u (..., L) real at points x (..., 2N) real or z (..., N) complex, in any scaling."""
    z = points.as_complex(self.variety, x)
    return _at_points((self.variety, self.degree), self.forms, z)

  def in_chart(self, chart: Chart) -> jax.tree_util.Partial:
    """v -> u (L,) real at local coordinates v of a chart."""
    return jax.tree_util.Partial(_in_chart, self, chart)

  def of_level(self, i: int) -> Eigenfunctions:
    """Those of one multiplet."""
    kept = np.flatnonzero(np.asarray(self.level) == i)
    if not len(kept):
      raise UserError(f"there is no level {i}: levels are 0, .., {np.max(self.level)}")
    arrays = (a[kept] for a in (self.values, self.level, self.forms))
    return Eigenfunctions(self.variety, self.degree, *arrays)


def load(workdir: pathlib.Path, variety: Variety, params: Any) -> Eigenfunctions:
  """The eigenfunctions of `ricciflat-evaluate --spectrum`; UserError if this metric has none."""
  path = workdir / write.FILE
  if path.exists():
    with np.load(path) as stored:
      if str(stored["metric"]) == of_run.digest(params):
        arrays = (stored[name] for name in ("values", "level", "forms"))
        return Eigenfunctions(variety, int(stored["degree"]), *arrays)
  raise UserError(
    f"{workdir} holds no spectrum of its metric: "
    f"ricciflat-evaluate --workdir={workdir} --spectrum makes it"
  )


@evaluation.compiled
def _at_points(static, forms, z):
  forms = cast(forms, z.real.dtype)
  return evaluation.by_chunks(lambda z: _values(*static, forms, z), z)


@jax.jit
def _in_chart(of: Eigenfunctions, chart: Chart, v: jax.Array) -> jax.Array:
  z = chart.point(v)[None]
  return _values(of.variety, of.degree, cast(of.forms, z.real.dtype), z)[0]


def _values(variety, degree, forms, z):
  """u (B, L) at points z (B, N)."""
  space = functions.of_degree(variety, degree)
  x = jnp.concatenate([z.real, z.imag], axis=1)
  s = section_jets.section_rows(*space.basis, variety.ambient, x)
  frame = functions.Frame(jnp.moveaxis(s, 0, 1), jnp.zeros(len(z), x.dtype))
  return functions.values(frame, forms)[0]
