"""The differences between two wordings, word by word."""

import time

from petitions.formatting.differences import differences


def test_removed_and_added_words_are_marked_with_del_and_ins() -> None:
    change = differences("Stop the masacre now.", "Stop the massacre now.")
    assert change == "Stop the <del>masacre</del><ins>massacre</ins> now."


def test_arabic_is_compared_by_words_too() -> None:
    change = differences("أوقفوا المجزره الآن", "أوقفوا المجزرة الآن")
    assert change == "أوقفوا <del>المجزره</del><ins>المجزرة</ins> الآن"


def test_a_diff_omits_distant_words_and_escapes_markup() -> None:
    before = " ".join(f"w{n}" for n in range(100))
    change = differences(before + " old", before + " <script>")
    assert "<ins>&lt;script&gt;</ins>" in change
    assert "w99" in change
    assert "w50" not in change


def test_the_same_words_have_no_difference() -> None:
    assert not differences("One.\n\nTwo.", "One.\n\nTwo.")


def test_only_the_lines_that_differ_are_compared_word_by_word() -> None:
    change = differences("One two.\n\nThree four.\n", "One two.\n\nThree five.\n")
    assert change == "One two.\n\nThree <del>four.</del><ins>five.</ins>\n"


def test_comparing_two_texts_of_maximum_size_takes_under_two_seconds() -> None:
    # Repeated words make comparing slow: as one passage these took 52 seconds.
    words = [f"w{n % 900}" for n in range(20_000)]
    changed = [word if n % 50 else "new" for n, word in enumerate(words)]
    start = time.perf_counter()
    assert "<ins>" in differences(" ".join(words), " ".join(changed))
    assert time.perf_counter() - start < 2


def test_comparing_many_changed_lines_takes_under_two_seconds() -> None:
    # Every second line differs: compared line by line these took 29 seconds.
    before, after = (
        "".join(f"{mark}{n:x}\nsame {n:x}\n" for n in range(7_000)) for mark in ("old", "new")
    )
    start = time.process_time()
    assert "<ins>" in differences(before, after)
    assert time.process_time() - start < 2
