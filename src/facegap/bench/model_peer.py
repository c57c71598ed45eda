"""One turn of `facegap bench models`: a model in a new process, warmed up, then timed call by call.

Run as `python -m facegap.bench.model_peer SPEC`; it returns one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from facegap.errors import FacegapError
from facegap.inputs.cards.schema import ModelCard
from facegap.runtime import nodes_per_provider, open_session
from facegap.vision import tensors
from facegap.vision.ports import batch_limit
from facegap.vision.rehearsal import input_of, made_up

PAGE_BYTES = resource.getpagesize()


def turn(spec: dict[str, Any]) -> dict[str, Any]:
    """The times of the calls in nanoseconds, the providers of the session, and its memory.

    spec : card, path of the weights, batch, threads, device, warm_up and calls
    """
    card = ModelCard.model_validate_json(spec["card"])
    content = Path(spec["path"]).read_bytes()
    resident = resident_bytes()
    session = open_session(content, name=card.name, device=spec["device"], threads=spec["threads"])
    limit = batch_limit(session, card)
    if limit is not None and limit < spec["batch"]:
        return {"refused": f"its graph accepts {limit} image{'s' if limit > 1 else ''} at once"}
    picture = tensors.unmade(made_up(input_of(card), spec["batch"]), input_of(card)).made()
    for _ in range(spec["warm_up"]):
        tensors.run(session, card, None, picture)
    spent = []
    for _ in range(spec["calls"]):
        begun = time.perf_counter_ns()
        tensors.run(session, card, None, picture)
        spent.append(time.perf_counter_ns() - begun)
    return {
        "ns": spent,
        "rss_growth_bytes": resident_bytes() - resident,
        "providers": session.get_providers(),
        "nodes": nodes_per_provider(session),
    }


def resident_bytes() -> int:
    """Resident memory of this process (RSS); without /proc, its maximum so far."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def main() -> None:
    """Run the turn given on the command line."""
    try:
        answer = turn(json.loads(sys.argv[1]))
    except FacegapError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
