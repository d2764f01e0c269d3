"""The files for clusters, with commands in place of those of the cluster that say what they get.

That the variables of Slurm are understood is tested by tests.launch.commands.start_several.
"""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from tests.launch.commands import ROOT

_SCRIPTS = ("slurm.sbatch", "tpu_pod.sh")


@pytest.fixture
def run(tmp_path):
  """Runs a script with stand-ins for programs: name -> exit status; status and what they got."""

  def run(script, stubs, **variables):
    for name, status in stubs.items():
      path = tmp_path / name
      path.write_text(f'#!/bin/sh\necho {name} "$@"\nexit {status}\n')
      path.chmod(0o755)
    done = subprocess.run(
      ["bash", ROOT / "launch" / script],
      env=variables | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
      capture_output=True,
      text=True,
    )
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()

  return run


@pytest.mark.parametrize("script", _SCRIPTS)
def test_scripts_are_sound(script):
  check = ["shellcheck"] if shutil.which("shellcheck") else ["bash", "-n"]
  assert subprocess.run([*check, ROOT / "launch" / script]).returncode == 0


@pytest.mark.parametrize(
  "status, restarts, requeued",
  [
    (0, 0, False),
    (1, 0, False),
    (2, 0, False),
    (3, 5, True),
    (4, 0, True),
    (137, 0, True),
    (4, 20, 0),
  ],
)
def test_slurm_starts_again_what_can_go_on(run, status, restarts, requeued):
  variables = dict(SLURM_JOB_ID="7", SLURM_RESTART_COUNT=str(restarts), WORKDIR="/shared/run")
  ended, said = run("slurm.sbatch", {"srun": status, "scontrol": 0}, **variables)
  assert ended == status
  assert "-m launch.train --config=configs/fermat_quintic.py --workdir=/shared/run" in said[0]
  assert said[1:] == ["scontrol requeue 7"] * bool(requeued)


def test_slurm_gives_every_process_a_gpu():
  text = (ROOT / "launch" / "slurm.sbatch").read_text()
  options = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)", text, re.MULTILINE))
  assert options["ntasks-per-node"] == options["gpus-per-node"]
  assert "gpus-per-task" not in options and options["signal"].startswith("TERM@")


def test_the_line_for_a_tpu_pod(run):
  status, (said,) = run("tpu_pod.sh", {"gcloud": 0}, NAME="pod", ZONE="there", CONFIG="mine.py")
  assert status == 0
  assert said.startswith("gcloud compute tpus tpu-vm ssh pod --zone=there --worker=all --command=")
  assert "exec .venv/bin/python -m launch.train --config=mine.py --workdir=/mnt/shared/" in said


def test_the_kubernetes_job_is_consistent():
  service, job = yaml.safe_load_all((ROOT / "launch" / "kubernetes.yaml").read_text())
  assert (service["kind"], service["spec"]["clusterIP"]) == ("Service", "None")
  assert job["apiVersion"] == "batch/v1" and job["spec"]["completionMode"] == "Indexed"
  name, pod = job["metadata"]["name"], job["spec"]["template"]["spec"]
  assert service["spec"]["selector"] == {"job-name": name}
  assert pod["subdomain"] == service["metadata"]["name"] and pod["restartPolicy"] == "Never"
  (container,) = pod["containers"]
  given = dict(re.findall(r"--(\w+)=(\S+)", container["args"][0]))
  assert given["coordinator_address"] == (
    f"{name}-0.{pod['subdomain']}:{service['spec']['ports'][0]['port']}"
  )
  assert int(given["num_processes"]) == job["spec"]["completions"] == job["spec"]["parallelism"]
  assert given["process_id"] == "$JOB_COMPLETION_INDEX" and container["args"][0].startswith("exec ")
  mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
  assert given["workdir"].startswith(mounts["runs"])
  assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
  policies = job["spec"]["podFailurePolicy"]["rules"]
  codes = {rule["action"]: rule["onExitCodes"]["values"] for rule in policies[:2]}
  assert codes == {"FailJob": [1, 2], "Ignore": [3, 4]}
