"""Orders and next images, without pages."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.annotate.database import Answer
from facegap.annotate.turns import next_turn, shuffled

IMAGES = [f"{k}.png" for k in range(5)]


def entry(image: str, *, practice: bool = False, skipped: str = "", withdrawn: bool = False) -> Answer:
    return Answer("monk", "Ada", image, practice, "" if skipped else "3", skipped, "form", withdrawn=withdrawn)


def test_a_shuffle_depends_only_on_its_key() -> None:
    assert shuffled(IMAGES, "0", "Ada") == shuffled(IMAGES[::-1], "0", "Ada")
    orders = {tuple(shuffled(IMAGES, "0", f"person {k}")) for k in range(40)}
    assert len(orders) > 30  # of 120 possible orders


def test_a_subset_keeps_the_order_of_the_whole() -> None:
    whole = shuffled([f"{k}.png" for k in range(50)], "Ada")
    some = [image for image in whole if image[0] in "135"]
    assert shuffled(some[::-1], "Ada") == some


@settings(deadline=None)  # a busy machine is not an error
@given(st.lists(st.sampled_from([f"{k}.png" for k in range(8)]), max_size=20), st.integers(0, 4))
def test_answering_whatever_is_shown_ends_after_every_image_once(before: list[str], practised: int) -> None:
    """For any previous answers, in any order."""
    images = [f"{k}.png" for k in range(8)]
    entries = [entry(image) for image in before]
    asked = []
    while (turn := next_turn(entries, images, images[:practised])).image is not None:
        assert turn.number <= turn.total
        asked.append((turn.phase, turn.image))
        entries.append(entry(turn.image, practice=turn.phase == "practice"))
    in_earnest = [image for phase, image in asked if phase == "earnest"]
    assert sorted({*in_earnest, *before}) == images
    assert len(in_earnest) == 8 - len(set(before))
    assert len(asked) - len(in_earnest) == (0 if before else practised)
    assert turn.answered == 8


def test_a_withdrawn_answer_is_requested_again_and_skips_are_counted_separately() -> None:
    turn = next_turn([entry("0.png", skipped="no_face"), entry("1.png"), entry("2.png", withdrawn=True)], IMAGES, [])
    assert (turn.image, turn.number, turn.answered, turn.skipped) == ("2.png", 3, 1, 1)


def test_answers_about_other_images_do_not_count() -> None:
    turn = next_turn([entry("elsewhere.png")], IMAGES, IMAGES[:1])
    assert (turn.phase, turn.number) == ("practice", 1)


def test_the_first_photograph_after_practice_is_marked() -> None:
    practised = [entry("0.png", practice=True)]
    assert next_turn(practised, IMAGES, IMAGES[:1]).first
    assert not next_turn([*practised, entry("0.png")], IMAGES, IMAGES[:1]).first
