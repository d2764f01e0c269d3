"""Config files: every one builds a smooth manifold, and wrong numbers are named."""

import importlib
import json
import pathlib

import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

from configs import dwork_quintic, fermat_cubic
from trainer.errors import UserError
from trainer.geometry import description
from trainer.optimizers.first_order import make_optimizer
from trainer.run import config as configs
from trainer.run import run as runs
from trainer.sampling import singular

_NAMES = sorted(
  p.stem for p in pathlib.Path(dwork_quintic.__file__).parent.glob("*.py") if p.stem != "__init__"
)


@pytest.mark.parametrize("name", _NAMES)
def test_shipped_configs_are_sound(name):
  module = importlib.import_module(f"configs.{name}")
  config = module.get_config()
  configs.check_config(config, 8)
  singular.check_smooth(description.make_variety(config))
  assert f"--config=configs/{name}.py" in module.__doc__ and "sigma" in module.__doc__


@pytest.mark.parametrize(
  "key, value, message",
  [
    ("batch_size", 100_001, "larger than the dataset"),
    ("batch_size", 1023, "multiple of 4"),
    ("steps", -1, "config.steps = -1"),
    ("matmul_precision", "fp8", "use one of float32, tf32, bfloat16"),
    ("gauss_newton.solver", "magic", "parameter_space"),
    ("data.heldout_points", 0, "config.data.heldout_points = 0"),
  ],
)
def test_numbers_that_make_no_sense(key, value, message):
  config = configs.default_config()
  config.update_from_flattened_dict({"steps": 1, key: value})
  with pytest.raises(UserError, match=message):
    configs.check_config(config, 4)


def test_what_no_step_reads_is_not_checked():
  config = configs.default_config()
  config.batch_size = 1023
  configs.check_config(config, 4)
  config.batch_size, config.data.train_points = 2048, 1024
  configs.check_config(config, 4)
  config.gauss_newton.batch_size = 2048
  with pytest.raises(UserError, match="config.gauss_newton.batch_size = 2048 is larger"):
    configs.check_config(config, 4)


def test_wrong_dtype():
  assert configs.real_dtype("float64").name == "float64"
  for name in ("float16", "complex64", "double"):
    with pytest.raises(UserError, match="float32 or float64"):
      configs.real_dtype(name)


def test_learning_rate_schedule():
  """With sgd on a constant unit gradient, updates are minus the rate."""
  optimizer = make_optimizer("sgd", 0.5, warmup_steps=2, clip_norm=1.0, num_steps=6)
  state, rates = optimizer.init(jnp.float64(0)), []
  for _ in range(7):
    update, state = optimizer.update(jnp.float64(3), state)  # Clipped to norm 1.
    rates.append(-float(update))
  assert rates == pytest.approx([0, 0.25, 0.5, 0.4267767, 0.25, 0.0732233, 0], abs=1e-6)
  assert isinstance(optimizer, optax.GradientTransformation)


@pytest.mark.parametrize(
  "change, message",
  [
    ({"name": "adamm"}, "unknown optimizer"),
    ({"name": "chain"}, "unknown optimizer"),
    ({"learning_rate": 0.0}, "must be positive"),
    ({"clip_norm": -1.0}, "must be positive"),
    ({"warmup_steps": 10}, "below steps = 10"),
  ],
)
def test_wrong_optimizers(change, message):
  settings = {"name": "adam", "learning_rate": 1e-3, "warmup_steps": 1, "clip_norm": 1.0} | change
  with pytest.raises(UserError, match=message):
    make_optimizer(**settings, num_steps=10)


def test_singular_points_are_found_from_sampled_points_too():
  """The conifold's nodes, from the points of the sample with the smallest minors alone."""
  smooth, conifold = (
    description.make_variety(dwork_quintic.get_config(psi)) for psi in ("0.5", "1")
  )
  singular.check_smooth(smooth, singular.near_singular_points(smooth))
  with pytest.raises(UserError, match="the variety is singular, at z = "):
    singular.check_smooth(conifold, singular.near_singular_points(conifold))


def test_a_singular_point_is_written_without_rounding_errors(monkeypatch):
  found = np.array([1, -9.9e-323 + 0.5j, 3e-17 - 1e-12j])
  monkeypatch.setattr(singular.smoothness, "find_singular_point", lambda *_: found)
  with pytest.raises(UserError, match=r"at z = \(1\+0j, 0\+0.5j, 0\+0j\): change"):
    singular.check_smooth(None)


@pytest.mark.parametrize(
  "fields, message",
  [
    (dict(ambient=(1, 3), degrees=((2,), (3,))), "must sum to 4"),
    (dict(ambient=(1, 3), degrees=((2,),)), "one row for each"),
    (dict(ambient=(4,), degrees=((5,),), moduli=(-1.0,)), "not a positive number"),
    (dict(ambient=(4,), degrees=((5,),), member="smooth"), "random or fermat"),
    (dict(ambient=(1, 3), degrees=((2,), (4,)), member="fermat"), "no Fermat-like member"),
    (dict(ambient=(2,), polynomials="z0^3 + z1^3 + z2^3", degrees=((1, 2),)), "multidegrees"),
    (dict(ambient=(2, 2), degrees=(3, 3)), "one row of whole numbers for each"),
    (dict(ambient=(1.5,), degrees=((2,),)), "variety.ambient = .* must be whole numbers"),
    (dict(ambient=4, degrees=((5,),)), "variety.ambient = 4 must be whole numbers"),
    (dict(ambient=(4,), degrees=((5,),), moduli=np.array([1 + 1j])), "has an imaginary part"),
    (dict(ambient=(4,), degrees=((5,),), moduli=("one",)), "must be real numbers"),
    (dict(ambient=(4,), degrees=np.array([[np.inf]])), "degrees = .* must be whole numbers"),
    (dict(ambient=(2,), arrays=(([[1.5, 1, 1]], [1]),)), "whole numbers"),
  ],
)
def test_wrong_varieties(fields, message):
  config = configs.default_config()
  config.variety = description.variety(**fields)
  with pytest.raises(UserError, match=message):
    description.make_variety(config)


@pytest.mark.filterwarnings("error")
def test_numbers_are_numbers():
  """NumPy's and JAX's, wherever they convert exactly; a run's description is plain JSON."""
  polynomials = "z0^3 + z1^3 + z2^3 + a*z0*z1*z2"
  make = lambda real, array, a: description.variety(
    array([2]), array([[3]]), polynomials=polynomials, parameters={"a": a}, moduli=real
  )
  as_text = make((1.5,), tuple, "0.5-0.25j")
  for numbers in (
    make(np.array([1.5]), np.array, np.complex128(0.5 - 0.25j)),
    make(np.array([1.5], np.complex64), np.array, np.complex64(0.5 - 0.25j)),
    make([np.float32(1.5)], jnp.array, 0.5 - 0.25j),
    make(jnp.array([1.5]), list, "0.5 - 0.25i"),
  ):
    config = fermat_cubic.get_config()
    config.variety, config.mine = numbers, np.arange(2)
    run = runs.open_run(config, 0, jnp.dtype("float64"))
    assert run.problem.variety == description.make_variety(
      ml_collections.ConfigDict(dict(variety=as_text))
    )
    stored = json.loads(json.dumps(run.identity))["config"]
    assert stored["mine"] == [0, 1]
    stored = stored["variety"]
    assert stored["moduli"] == [1.5] and stored["ambient"] == [2] and stored["degrees"] == [[3]]


def test_a_matrix_makes_a_seeded_random_member():
  build = lambda seed: description.make_variety(
    ml_collections.ConfigDict(dict(variety=description.variety((1, 3), ((2,), (4,)), seed=seed)))
  )
  assert build(3) == build(3) != build(4)
  assert build(3).degrees == ((2,), (4,)) and build(3).moduli == (1.0, 1.0)
  arrays = build(3).polynomials[0]
  explicit = description.variety((1, 3), arrays=((arrays.exponents, arrays.coefficients),))
  assert description.make_variety(ml_collections.ConfigDict(dict(variety=explicit))) == build(3)
  # A run writes its config down and reads it again.
  stored = json.loads(json.dumps({"variety": explicit.to_dict()}))
  assert description.make_variety(ml_collections.ConfigDict(stored, convert_dict=True)) == build(3)
