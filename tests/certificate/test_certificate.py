import json
import math

import pytest

from trainer.certificate import certificate
from trainer.geometry.parse import parse_polynomial
from trainer.geometry.variety import Variety, configuration_text
from trainer.metric.measures import exact as exact_measures
from trainer.sampling.statistics import Measure


def _fermat(d, scale=1.0):
  text = " + ".join(f"{scale}*z{i}^{d}" for i in range(d))
  return Variety((d - 1,), (parse_polynomial(text, d),), (1.0,))


def _bicubic():
  text = "z0^3*z3^3 + z1^3*z4^3 + z2^3*z5^3 - (1+2j)*z0*z1*z2*z3*z4*z5"
  return Variety((2, 2), (parse_polynomial(text, 6),), (1.0, 2.0))


def _run():
  return certificate.describe_run(
    {"batch_size": 1024, "variety": {"ambient": (4,)}},
    network="net()",
    parameters=7,
    seed=3,
    dtype="float32",
    steps=10,
    seconds=61.5,
    points={"train": 1000, "heldout": 500},
    heldout_seed=3,
    digest="a",
  )


def _certificate(variety=None, **changes):
  measures = {"sigma": Measure(0.0123, 0.0004), "volume": Measure(0.8343, 0.0005), **changes}
  variety = variety or _fermat(5)
  reference = {"fubini_study": {"sigma": Measure(0.3724, 0.001)}}
  return certificate.make_certificate(measures, reference, variety, _run(), exact_measures(variety))


def test_every_measure_has_value_stderr_and_exact():
  content = _certificate()
  assert content["measures"]["sigma"] == {"value": 0.0123, "stderr": 0.0004, "exact": None}
  assert content["measures"]["volume"]["exact"] == pytest.approx(5 / 6, rel=1e-15)
  assert content["fubini_study"]["sigma"]["value"] == 0.3724


def test_what_sections_do_not_know_is_null():
  sections = {"controls": {"euler": {"gain": math.nan, "value": 1.5}}, "edges": [1, math.inf, "a"]}
  content = certificate.make_certificate({}, {}, None, _run(), {}, sections)
  assert content["controls"]["euler"] == {"gain": None, "value": 1.5}
  assert content["edges"] == [1, None, "a"]


def test_manifold_and_run():
  content = _certificate()
  assert content["manifold"] == {
    "ambient": [4],
    "degrees": [[5]],
    "moduli": [1.0],
    "dimension": 3,
    "polynomials": ["z0^5 + z1^5 + z2^5 + z3^5 + z4^5"],
    "euler": -200,
    "volume": pytest.approx(5 / 6),
    "intersection": {"111": 5},
    "c2": [50],
  }
  run = content["run"]
  assert run["config"]["batch_size"] == 1024 and run["points"]["heldout"] == 500
  assert run["devices"] == {"platform": "cpu", "kind": "cpu", "count": 4, "processes": 1}
  assert run["versions"]["jax"] and run["versions"]["orbax-checkpoint"]
  bicubic = certificate.describe_manifold(_bicubic())
  assert bicubic["intersection"] == {"111": 0, "112": 3, "122": 3, "222": 0}
  assert configuration_text(bicubic["ambient"], bicubic["degrees"]) == "P2 x P2 [3; 3]"


@pytest.mark.parametrize("d, expected", [(3, 2.70287609), (4, 11.81704501), (5, 47.29756091865622)])
def test_exact_holomorphic_volume_of_fermat_hypersurfaces(d, expected):
  exact = exact_measures(_fermat(d))
  assert exact["omega_integral"] == pytest.approx(expected, rel=1e-8)
  assert exact["kappa"] == pytest.approx(exact["volume"] / expected, rel=1e-8)
  # Q -> 2 Q divides |Omega|^2 by 4.
  doubled = exact_measures(_fermat(d, scale=2.0))
  assert doubled["omega_integral"] == pytest.approx(expected / 4, rel=1e-8)


def test_no_exact_holomorphic_volume_elsewhere():
  assert exact_measures(_bicubic()) == {"volume": pytest.approx(9.0)}


def test_unknown_is_null_and_the_file_is_strict_json(tmp_path):
  content = _certificate(E=Measure(math.nan, math.inf), kappa=Measure(0.0176, math.nan))
  path = certificate.write_certificate(tmp_path, content)

  def refuse(constant):
    raise ValueError(constant)

  read = json.loads(path.read_text(), parse_constant=refuse)
  assert read == content
  assert read["measures"]["E"] == {"value": None, "stderr": None, "exact": None}
  assert read["measures"]["kappa"]["stderr"] is None
  assert [p.name for p in tmp_path.iterdir()] == ["certificate.json"]


def test_deviation():
  assert certificate.deviation({"value": 1.2, "stderr": 0.1, "exact": 1.0}) == pytest.approx(2)
  assert certificate.deviation({"value": 1.2, "stderr": 0.1, "exact": None}) is None
  assert certificate.deviation({"value": 1.2, "stderr": None, "exact": 1.0}) is None
  # An error of rounding size is no statistical error.
  assert certificate.deviation({"value": 1.0, "stderr": 1e-17, "exact": 1 + 2e-16}) is None


def test_summary():
  lines = certificate.summary(_certificate(E=Measure(math.nan, math.nan))).splitlines()
  assert lines[0] == "P4 [5]: dimension 3, Euler number -200, volume 0.83333333"
  table = {line.split()[0]: line for line in lines[3:6]}
  assert "0.01230 ± 0.00040" in table["sigma"]
  assert table["volume"].endswith("0.83430 ± 0.00050  0.83333333  +1.9 standard errors")
  assert table["E"].split() == ["E", "unknown"]
  assert lines[-1] == (
    "sigma 0.3724 ± 0.0010 (Fubini-Study) -> 0.01230 ± 0.00040 in 62 s, 500 held-out points"
  )


def test_readable_polynomials_read_back():
  for text in ("z0^5 + z1^5 - 2.5*z0*z1*z2*z3*z4", "-z0^2*z1 + (0.5-1j)*z2^3 + 3*z3^3"):
    polynomial = parse_polynomial(text, 5)
    assert parse_polynomial(certificate.readable(polynomial), 5) == polynomial
  assert certificate.readable(parse_polynomial("z1^2 - 2*z0*z1", 2)) == "-2*z0*z1 + z1^2"
