"""Run an audit on a Slurm cluster: python slurm.py people.csv --classify faceapi_age_gender --out /shared/run

Needs dask-jobqueue and facegap[cluster] in one environment that all nodes see. Fit the five values below to your site.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster

NODES = 4  # jobs; each becomes one node's worth of workers
ENVIRONMENT = "/shared/facegap/bin"  # a virtual environment that every node sees

with SLURMCluster(
    queue="normal",
    cores=16,
    processes=4,  # workers of four threads each; each worker opens the models once
    memory="64GB",
    walltime="08:00:00",
    python=f"{ENVIRONMENT}/python",
    job_extra_directives=["--constraint=icelake"],  # one type of processor: others are refused without --mixed-workers
) as cluster:
    cluster.scale(jobs=NODES)
    cluster.wait_for_workers(4)  # one node is enough to begin; the others join
    command = [f"{ENVIRONMENT}/facegap", "audit", *sys.argv[1:], "--scheduler", cluster.scheduler_address]
    sys.exit(subprocess.run(command, check=False).returncode)
