"""One setting: its default, bounds and help, and how its value is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import Any

from facegap.errors import SettingError

SETTING = "setting"  # key of a Setting in the metadata of a field


# headings of the help
MODELS = "Models"


FACES = "Faces"
GROUPS = "Groups"
LABELS = "Labels of skin tone"
VERIFICATION = "Verification (1:1)"
IDENTIFICATION = "Identification (1:N)"
AGES = "Age checks"
SERVICE = "Black-box service"
MACHINES = "Several machines"


@dataclass(frozen=True)
class Setting:
    """The properties of one setting besides its name, type and default.

    help             : one sentence, printed by --help
    heading          : heading of the help under which the option is listed; empty: the first
    flag             : name of the option if it differs from that of the field
    minimum, maximum : bounds of the value, or of each of several values
    recorded         : whether it affects results, so that run.json stores it and --resume requires it unchanged
    free_on_resume   : recorded, but an interrupted run may be resumed with another value, as it does not affect results
    option           : whether it is a command-line option; a function can be given in Python only
    without          : behaviour without it, in words, if the default is None or empty
    command_default  : default on the command line if it differs: a command writes a folder, a function need not
    read, write      : convert the value from the caller's form, and to the form stored in run.json
    """

    help: str
    heading: str = ""
    flag: str = ""
    minimum: float | None = None
    maximum: float | None = None
    recorded: bool = True
    free_on_resume: bool = False
    option: bool = True
    without: str = ""
    command_default: Any = None
    read: Callable[[Any], Any] | None = None
    write: Callable[[Any], Any] | None = None


def setting(default: Any, *, help: str, **known: Any) -> Any:
    """A field of a settings class with its default; `known` are fields of `Setting`."""
    return field(default=default, metadata={SETTING: Setting(help, **known)})


def settle(chosen: Any) -> None:
    """Convert the values of a settings object to their own types, and reject those out of bounds.

    Raises
    ------
    SettingError : names the option, the value and the bounds
    """
    for one in fields(chosen):
        value, known = getattr(chosen, one.name), one.metadata.get(SETTING)
        if value is None or known is None:
            continue
        if known.read is not None:
            try:
                value = known.read(value)
            except (TypeError, ValueError) as error:
                if isinstance(error, SettingError):
                    raise
                raise SettingError(f"{option_name(one)}: {value!r} is not understood ({error})") from None
            object.__setattr__(chosen, one.name, value)
        for single in value if isinstance(value, tuple) else (value,):
            require_bounds(one, single)


def require_bounds(one: Field[Any], value: Any) -> None:
    """Raise SettingError if a number is outside the bounds of its setting; NaN is outside all bounds."""
    known = one.metadata[SETTING]
    low, high = known.minimum, known.maximum
    if not isinstance(value, int | float) or (low is None and high is None):
        return
    if (low is None or value >= low) and (high is None or value <= high):
        return
    bounds = f"from {low:g} to {high:g}" if high is not None and low is not None else f"{low:g} or more"
    raise SettingError(f"{option_name(one)} {value:g}: must be {bounds}")


def option_name(one: Field[Any]) -> str:
    """The command-line option of a setting."""
    known = one.metadata.get(SETTING)
    return (known.flag if known else "") or f"--{one.name.replace('_', '-')}"


def default_of(section: type[Any], name: str) -> Any:
    """The default of a setting."""
    return next(one.default for one in fields(section) if one.name == name)
