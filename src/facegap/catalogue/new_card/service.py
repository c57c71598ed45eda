"""Copy one of the project's service cards, to be adapted to another service."""

from __future__ import annotations

import re
from pathlib import Path

from facegap.catalogue.new_card.write import require_free
from facegap.errors import CardError
from facegap.inputs.cards.read import OPTIONS, SERVICES, cards_folder, name_of, read_card
from facegap.inputs.cards.schema import Task
from facegap.store.files import write_bytes


def service_cards() -> dict[str, Path]:
    """Return the project's service cards by name."""
    return {path.stem: path for path in sorted((cards_folder() / SERVICES).glob("*.toml"))}


def copy_card(name: str, out: Path | None = None) -> Path:
    """Copy a service's card under the name of the target file; None for `out` writes to the current folder.

    Raises
    ------
    CardError : If there is no such card, the file exists, or its name is not a valid card name.
    """
    known = service_cards()
    if name not in known:
        raise CardError(
            f"{name}: a card can be written for an .onnx file, or copied from that of a service: {', '.join(known)}"
        )
    target = out or Path(f"{name}.toml")
    require_free(target)
    text = known[name].read_text(encoding="utf-8")
    own, count = re.subn(rf'^name = "{name}"$', f'name = "{name_of(target)}"', text, count=1, flags=re.MULTILINE)
    assert count == 1
    write_bytes(target, own.encode("utf-8"))
    read_card(target)
    return target


def next_steps_of_service(card: str, task: Task) -> tuple[str, ...]:
    """Return the commands to try a service: first one that only shows what would be sent, then one that makes a few calls."""
    if task == "search":  # doctor would have to enrol subjects
        command, few = f"facegap audit people.csv {OPTIONS[task]} {card} --threshold 0.5 --out trial", " --max-calls 20"
    else:
        command, few = f"facegap doctor {card} --manifest people.csv", ""
    return (f"{command}   (sends nothing, but reports what would be sent and to whom)", f"{command} --send-images{few}")
