"""Settings of a service that is called over a network."""

from __future__ import annotations

from dataclasses import dataclass

from facegap.audit.settings.models import model_name
from facegap.audit.settings.setting import SERVICE, setting, settle


@dataclass(frozen=True)
class Service:
    """What may be sent to a black-box service, and at which rate."""

    verify_service: str | None = setting(
        None,
        help="Service that compares two images: a .toml card of task verify, called for the pairs of --pairs or --sample-pairs",
        heading=SERVICE,
        write=model_name,
    )
    search_service: str | None = setting(
        None,
        help="Service that enrols images and returns a candidate list for each probe: a .toml card of task search",
        heading=SERVICE,
        write=model_name,
    )
    send_images: bool = setting(
        False,
        help="Send whole images to the black-box service named by --classify, --embed or --verify-service",
        heading=SERVICE,
    )
    max_calls: int | None = setting(
        None,
        help="Maximum number of calls to the service, including retries",
        heading=SERVICE,
        minimum=1,
        without="no limit",
        recorded=False,
    )
    calls_per_second: float = setting(
        2.0,
        help="Calls to the service per second, over all workers",
        heading=SERVICE,
        minimum=0.001,
        maximum=1000,
        recorded=False,
    )
    stop_when_decided: bool = setting(
        False,
        help="Send images of people in random order (by --seed), and stop when every gap in misclassification or "
        "FNMR is decided",
        heading=SERVICE,
    )
    price_per_call: float | None = setting(
        None,
        help="Price of one call; the total cost is printed before anything is sent",
        heading=SERVICE,
        minimum=0,
        maximum=1_000_000,
        without="no cost printed",
        recorded=False,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self)
