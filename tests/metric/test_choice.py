"""What is chosen for config.network = "auto"."""

import jax
import jax.numpy as jnp
import pytest

from networks import precision
from tests.geometry import varieties
from trainer import default_config, variety
from trainer.devices import speed
from trainer.errors import UserError
from trainer.geometry import sections
from trainer.metric import choice
from trainer.metric.problem import metric_problem
from trainer.run import chosen, phases

_MEMORY = 2**31


@pytest.fixture(autouse=True)
def machine(monkeypatch):
  """A machine of a known speed: 100 GFLOP/s, 100,000 points a second."""
  known = {"flops": 1e11, "bfloat16": 1.0}
  measured = lambda devices: speed.Speed(known["flops"], 1.0, known["bfloat16"] * known["flops"])
  monkeypatch.setattr(speed, "measure", measured)
  monkeypatch.setattr(choice, "_sampling_rate", lambda *_: 1e5)
  return known


def _chosen(described, budget=300.0, memory=_MEMORY, **fields):
  config = default_config()
  config.variety, config.budget_seconds = described, budget
  config.update_from_flattened_dict(fields)
  return config, choice.choose(config, memory)


@pytest.mark.parametrize(
  "name, multidegree",
  [("quintic", (6,)), ("cubic_pair", (4,)), ("bicubic", (3, 3)), ("triple", (2, 2, 2))],
)
def test_sections_are_counted_without_linear_algebra(name, multidegree):
  manifold = varieties.random_variety(name)
  basis = sections.section_basis(manifold, multidegree)
  assert sections.expected_count(manifold, multidegree) == basis.coefficients.shape[1]


def test_dense_polynomials_get_a_ladder_that_fills_the_time():
  config, found = _chosen(variety((4,), ((5,),)))
  filled = chosen.filled(config, found)
  degrees = [p.network for p in phases.make_phases(filled)]
  assert degrees == ["algebraic(degree=4)", "algebraic(degree=8)"]
  # Seven equations a point.
  assert 1.5 * 460**2 < 7 * filled.data.train_points < 10 * 460**2
  assert filled.data.heldout_points == 10_000
  assert 200 < found.seconds <= 300 and filled.time_limit < 300
  metric_problem(filled, filled.network, True)


def test_a_faster_machine_and_more_time_go_further(machine):
  unknowns = []
  for flops, budget in ((2e10, 300), (1e11, 300), (1e11, 900), (1e13, 900)):
    machine["flops"] = flops
    config, found = _chosen(variety((2, 2), ((3,), (3,))), float(budget))
    problem = chosen.filled(config, found)
    degree = int(problem.network.partition("=")[2].rstrip(")"))
    unknowns.append((degree, problem.data.train_points))
    assert found.seconds <= 1.01 * budget
  assert unknowns == sorted(unknowns) and len(set(unknowns)) == 4


@pytest.mark.parametrize("moduli, degree", [((1.0, 10.0), 2), ((1.0, 2**0.5), 3), ((1.0, 1.0), 5)])
def test_lopsided_classes_get_a_low_degree(moduli, degree):
  """Of (1, 10) 4/11 lie near its ray in degree 2, less in higher ones."""
  _, found = _chosen(variety((1, 3), ((2,), (4,)), moduli=moduli))
  assert found.fields["network"] == f"algebraic(degree={degree})"


def test_points_are_those_whose_rows_of_j_are_kept(machine):
  """To make them anew takes several times an iteration."""
  machine["flops"] = 3e11
  for bfloat16 in (1.0, 2.0):
    machine["bfloat16"] = bfloat16
    config, found = _chosen(variety((2, 2), ((3,), (3,))), 600.0, 2**31 // jax.device_count())
    filled = chosen.filled(config, found)
    problem = metric_problem(filled, filled.network, True)
    batch = problem.abstract_points(found.fields["data.train_points"], jnp.float32)
    linear = problem.linearise()
    params = jax.eval_shape(lambda: problem.init(jax.random.key(0), 1.0))
    params = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, jnp.float32), params)
    with precision.matmuls(filled.matmul_precision):
      rows = jax.eval_shape(lambda p, b: linear.prepare(linear.at(p), b), params, batch)
    kept = sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(rows))
    assert 0.9 * 2**31 < kept < 2**31


def test_products_are_rounded_where_that_is_faster(machine):
  found = {}
  for machine["bfloat16"] in (0.5, 1.1, 2.0):
    _, choice = _chosen(variety((4,), ((5,),)))
    found[machine["bfloat16"]] = choice.fields
  assert [f["matmul_precision"] for f in found.values()] == ["float32", "float32", "bfloat16"]
  assert found[2.0]["data.train_points"] > found[0.5]["data.train_points"]


def test_few_monomials_get_their_network():
  config, found = _chosen(variety((4,), polynomials="z0^5 + z1^5 + z2^5 + z3^5 + z4^5"))
  assert found.fields["network"].startswith("monomial_mlp")
  assert chosen.filled(config, found).time_limit < 300


@pytest.mark.parametrize("moduli", [(0.5, 1.0), (1.0, 10.0), (1.0, 2**0.5)])
def test_any_kaehler_class(moduli):
  config, found = _chosen(variety((1, 3), ((2,), (4,)), moduli=moduli))
  filled = chosen.filled(config, found)
  assert metric_problem(filled, filled.network, True).ansatz.form is not None


def test_too_little_time_takes_the_least_and_says_so():
  config, found = _chosen(variety((4,), ((5,),)), 20.0)
  assert found.fields["network"] == "algebraic(degree=1)" and found.seconds > 20
  assert 0 < chosen.filled(config, found).time_limit < 20


def test_a_singular_variety_is_refused_before_points_crowd_there(monkeypatch):
  monkeypatch.undo()
  squares = "z0^2*z3^2 + z1^2*z3^2 + z2^2*z3^2"
  nodal = f"{squares} + z0^3*z3 + z1^3*z3 + z0^4 + z1^4 + z2^4 + z0*z1*z2*z3"
  with pytest.raises(UserError, match="the variety is singular"):
    _chosen(variety((3,), polynomials=nodal))


def test_the_choice_is_made_once(tmp_path, monkeypatch):
  """A run that goes on keeps what run.json holds, whatever the machine does now."""
  from trainer.run import checkpoint
  from trainer.run import config as configs
  from trainer.run import run as runs

  config, found = _chosen(variety((2,), ((3,),)), 300.0)
  run = runs.open_run(config, 0, configs.real_dtype("float64"), choice=found)
  assert run.config.network != "auto" and run.asked.network == "auto"
  checkpoint.claim_workdir(tmp_path, run.identity, write=True)
  monkeypatch.setattr(choice, "choose", None)
  again = chosen.choose(config, tmp_path, _MEMORY)
  assert again.seconds == found.seconds
  other = runs.open_run(config, 0, configs.real_dtype("float64"), choice=again)
  assert other.phases == run.phases and other.config.data == run.config.data
  assert not checkpoint.claim_workdir(tmp_path, other.identity, write=False)
  assert runs.load_run(tmp_path).phases == run.phases


def test_a_run_with_a_network_of_its_own_is_another_run(tmp_path):
  """So that the workdir is refused for what it holds."""
  from trainer.run import checkpoint
  from trainer.run import config as configs
  from trainer.run import run as runs

  config = default_config()
  config.variety = variety((2,), ((3,),))
  named = config.copy_and_resolve_references()
  named.network = "algebraic(degree=1)"
  run = runs.open_run(named, 0, configs.real_dtype("float64"))
  checkpoint.claim_workdir(tmp_path, run.identity, write=True)
  found = chosen.choose(config, tmp_path, _MEMORY)
  asked = runs.open_run(config, 0, configs.real_dtype("float64"), choice=found)
  with pytest.raises(UserError, match="holds another run"):
    checkpoint.claim_workdir(tmp_path, asked.identity, write=False)


def test_a_problem_of_ones_own_names_its_network(tmp_path):
  config = default_config()
  config.problem = "tests.problem.torus:TorusProblem"
  with pytest.raises(UserError, match="config.network = 'auto'"):
    chosen.choose(config, tmp_path, _MEMORY)
