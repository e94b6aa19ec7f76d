"""File names, and which rows count by their names alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.names import FinalsName, SegmentName, checkpoint_parts
from results.segments import resolve

_STEPS = st.integers(0, 60)


@st.composite
def _segments(draw):
    first = draw(_STEPS)
    origin = draw(st.none() | st.integers(0, first - 1)) if first else None
    return SegmentName(
        trial_id=draw(st.sampled_from(["t1", "t2"])),
        attempt=draw(st.integers(0, 3)),
        resumed_from=origin,
        first=first,
        last=first + draw(st.integers(0, 20)),
    )


@settings(deadline=None)
@given(_segments())
def test_a_segment_name_reads_as_it_was_written(segment):
    assert SegmentName.parse(str(segment)) == segment


def test_names_as_documented():
    segment = SegmentName(trial_id="0f", attempt=2, resumed_from=120, first=121, last=140)
    assert str(segment) == "metrics/0f/a2.r120.121-140.parquet"
    finals = FinalsName(trial_id="0f", attempt=0, resumed_from=None)
    assert str(finals) == "finals/0f/a0.rnew.parquet"
    assert FinalsName.parse(str(finals)) == finals
    resumed = FinalsName(trial_id="0f", attempt=5, resumed_from=80, over=(0, 3))
    assert str(resumed) == "finals/0f/a5.r80.0-3.parquet"
    assert checkpoint_parts("checkpoints/0f/a1-120/state.pt") == ("0f", 1, 120)


@pytest.mark.parametrize(
    "name",
    [
        "metrics/t/a0.rnew.5-4.parquet",
        "metrics/t/a00.rnew.0-4.parquet",
        "metrics/t/a0.r.0-4.parquet",
        "metrics/t/a0.rnew.0-4.csv",
        "metrics/t/sub/a0.rnew.0-4.parquet",
        "metrics/../a0.rnew.0-4.parquet",
        "metrics/t/a0.rnew.0-4.parquet\n",
        "compact/000001.parquet",
        "finals/t/a0.rnew.parquet",
        "",
    ],
)
def test_other_names_are_no_segments(name):
    assert SegmentName.parse(name) is None
    assert resolve([name]).live == ()


def test_checkpoints_being_written_do_not_count():
    assert checkpoint_parts("checkpoints/t/a0-12.tmp/state.pt") is None
    assert checkpoint_parts("checkpoints/t/a0-12") is None
    assert FinalsName.parse("finals/t/a0.parquet") is None


def _name(attempt, origin, first, last):
    return f"metrics/t/a{attempt}.r{origin}.{first}-{last}.parquet"


def test_a_wider_range_supersedes_by_name():
    names = [
        _name(0, "new", 0, 9),
        _name(0, "new", 10, 19),
        _name(0, "new", 0, 19),
        _name(0, "new", 20, 29),
        _name(1, 19, 20, 25),
    ]
    resolution = resolve(names)
    assert {str(s) for s in resolution.live} == set(names[2:])
    assert {str(s) for s in resolution.superseded} == set(names[:2])
    assert set(resolution.superseded.values()) == {names[2]}


def test_rows_behind_the_point_of_resumption_do_not_count():
    resolution = resolve([_name(0, "new", 0, 80), _name(1, 50, 51, 60), _name(2, 40, 41, 90)])
    assert resolution.cutoffs() == {("t", 0): 40, ("t", 1): 40}
    assert [s.attempt for s in resolution.whole()] == [2]
    assert [s.attempt for s in resolution.cut()] == [0]
    assert resolution.highest("t") == 2
    assert resolution.highest("other") is None


def test_a_fresh_start_discards_everything_before():
    resolution = resolve([_name(0, "new", 0, 80), _name(1, "new", 0, 10)])
    assert resolution.cutoffs() == {("t", 0): -1}
    assert [s.attempt for s in resolution.whole()] == [1]
    assert resolution.cut() == []


def test_an_attempt_without_segments_limits_nothing_but_is_limited():
    resolution = resolve([_name(2, 30, 31, 40)])
    assert resolution.cutoff("t", 1) == 30
    assert resolution.cutoff("t", 2) is None
    assert resolution.cutoff("t", 3) is None


@settings(deadline=None)
@given(st.lists(_segments(), max_size=30), st.randoms())
def test_resolution_does_not_depend_on_order_and_loses_nothing(segments, random):
    names = [str(segment) for segment in segments]
    resolution = resolve(names)
    shuffled = names * 2
    random.shuffle(shuffled)
    again = resolve(shuffled)
    assert set(again.live) == set(resolution.live)
    assert again.cutoffs() == resolution.cutoffs()
    assert set(resolution.live) | set(resolution.superseded) == set(segments)
    for gone, name in resolution.superseded.items():
        holder = SegmentName.parse(name)
        assert holder in resolution.live
        assert holder.first <= gone.first
        assert gone.last <= holder.last
        assert (holder.trial_id, holder.attempt) == (gone.trial_id, gone.attempt)
    for segment in resolution.live:
        assert not any(other.covers(segment) for other in resolution.live)


@settings(deadline=None)
@given(st.lists(_segments(), max_size=12), _STEPS)
def test_the_rule_as_the_text_says_it(segments, step):
    resolution = resolve(map(str, segments))
    for segment in segments:
        later = [
            -1 if other.resumed_from is None else other.resumed_from
            for other in segments
            if other.trial_id == segment.trial_id and other.attempt > segment.attempt
        ]
        counts = not later or step <= min(later)
        assert resolution.counts(segment.trial_id, segment.attempt, step) == counts


@pytest.mark.parametrize(
    ("over", "others", "sure"),
    [
        ((0,), [(0, "new", 0, 60)], True),
        ((0, 1), [(0, "new", 0, 99), (1, 50, 51, 60)], True),  # However far the first one came.
        ((0,), [(0, "new", 0, 60), (1, 60, 61, 70)], True),  # One between them hides nothing.
        ((0,), [], False),  # Of the first nothing can be read.
        ((0,), [(0, "new", 0, 99), (1, "new", 0, 3)], False),  # The second hides the first.
        ((0,), [(1, "new", 0, 60)], False),  # Here too.
        ((0, 2), [(0, "new", 0, 9), (1, "new", 0, 3), (2, 9, 10, 60)], False),  # Further back.
        ((0,), [(0, "new", 0, 60), (4, 60, 61, 70)], False),  # A later one has rows.
        ((), [(0, "new", 0, 60)], False),  # An older version did not tell.
    ],
)
def test_finals_are_used_where_nothing_hides_what_they_rest_on(over, others, sure):
    names = [_name(*other) for other in [*others, (3, 60, 61, 70)]]
    finals = FinalsName(trial_id="t", attempt=3, resumed_from=60, over=over)
    assert FinalsName.parse(str(finals)) == finals
    assert resolve(names).sums_up(finals) == sure
    fresh = FinalsName(trial_id="t", attempt=3, resumed_from=None)
    assert resolve(names).sums_up(fresh) == all(attempt < 3 for attempt, *_ in others)


def test_the_rows_before_an_attempt_are_those_that_each_took_over():
    names = [
        _name(0, "new", 0, 57),
        _name(1, 50, 51, 60),
        _name(2, 40, 41, 99),
        _name(3, 60, 61, 70),
    ]
    finals = FinalsName(trial_id="t", attempt=3, resumed_from=60)
    assert resolve(names).before(finals) == {2: 60, 0: 40}
    assert resolve(names[:2]).before(finals) == {1: 60, 0: 50}
