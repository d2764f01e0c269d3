"""Harmonic (1, 1) forms and curvatures of line bundles of a run as ordinary JAX functions."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from trainer.geometry import patches
from trainer.harmonic import kaehler
from trainer.harmonic.solve import KaehlerForms
from trainer.quadrature.background import Rows
from trainer.use import points
from trainer.use.chart import Chart
from trainer.use.fields import Fields, cast


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=["params", "h", "weights"],
  meta_fields=["fields", "degree"],
)
@dataclasses.dataclass(frozen=True)
class Form:
  """sum_i w_i alpha_i, alpha_i = dg/dt_i: a form of type (1, 1), a pytree.

  Attributes:
    fields: the run's functions.
    params: their parameters.
    degree: of the functions u_i, see trainer.harmonic.solve.KaehlerForms.
    h: (m, N_k, N_k), their forms.
    weights: (m,) real, w.
  """

  fields: Fields
  params: Any
  degree: int
  h: jax.Array
  weights: jax.Array

  def __call__(self, x: jax.Array) -> jax.Array:
    """The form at points x (..., 2N) real or z (..., N) complex, as trainer.use.metric.Metric."""
    return _at_points(self, points.as_complex(self.fields.variety, x))

  def in_chart(self, chart: Chart) -> jax.tree_util.Partial:
    """u -> the form (n, n) complex in the coordinates of a chart."""
    return jax.tree_util.Partial(_in_chart, self, chart)


@jax.jit
def _at_points(form: Form, z: jax.Array) -> jax.Array:
  variety = form.fields.variety

  def at(z):
    z = patches.normalise(variety, z)
    return _at(form, z, patches.choose_chart(variety, z))

  flat = jax.vmap(at)(z.reshape(-1, z.shape[-1]))
  return flat.reshape(*z.shape[:-1], *flat.shape[1:])


@jax.jit
def _in_chart(form: Form, chart: Chart, u: jax.Array) -> jax.Array:
  z = chart.point(u)
  masks = jax.tree.map(lambda a: a.astype(z.real.dtype), chart.masks)
  return _at(form, z, masks)


def _at(form, z, masks):
  variety = form.fields.variety
  g = form.fields.metric(form.params, z, masks)
  x, one = jnp.concatenate([z.real, z.imag]), jnp.ones((), z.real.dtype)
  pullback = patches.pullback(variety, z, masks)
  rows = jax.tree.map(lambda a: a[None], Rows(x, pullback, g, one, one))
  functions = KaehlerForms(form.degree, form.h).functions(variety)
  h = cast(form.h, x.dtype)
  alpha = kaehler.forms(kaehler.exact(variety), functions, h, rows, variety.ambient)
  return jnp.tensordot(cast(form.weights, x.dtype), alpha[0], 1)
