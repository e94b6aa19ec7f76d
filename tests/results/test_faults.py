"""An S3 that answers late, wrong or not at all: asked again, then told; nothing stored is lost."""

import random
from functools import partial

import pytest

from orchestrator.failures import classify
from orchestrator.probe import check_conditions
from results.backends import s3_client
from results.backends.patience import Patience, Unanswered
from results.errors import StorageError
from results.query import open_stores
from results.store import Store
from results.writer import Writer
from tests.bucket import SECRET, Proxy, new_bucket, use

FAULTS = ("500", "busy", "silence", "cut", "lost")


@pytest.fixture(scope="module")
def proxy(s3):
    with Proxy(s3) as found:
        yield found


@pytest.fixture
def waits():
    """How long was waited between two goes; no test waits for real."""
    return []


@pytest.fixture
def store(s3, proxy, waits, clock, tmp_path, monkeypatch):
    """A store behind the proxy, which answers everything until a test says otherwise."""

    def wait(seconds):
        waits.append(seconds)
        clock.forward(seconds)

    hasty = partial(Patience, request_s=0.5, monotonic=clock, wait=wait, jitter=lambda: 0.5)
    monkeypatch.setattr(s3_client, "Patience", hasty)
    use(proxy.address, monkeypatch=monkeypatch, copies=tmp_path / "copies")
    url = new_bucket(s3)
    proxy.fault = lambda method, path: None
    proxy.seen.clear()
    yield Store(f"{url}/s")
    proxy.fault = lambda method, path: None


def test_waits_grow_and_end():
    now, waits = [0.0], []

    def wait(seconds):
        waits.append(seconds)
        now[0] += seconds

    def never(again):
        now[0] += 1.0
        raise Unanswered("no")

    patience = Patience(total_s=20, monotonic=lambda: now[0], wait=wait, jitter=lambda: 0.5)
    with pytest.raises(Unanswered):
        patience(never)
    assert waits[:6] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert max(waits) <= 5.0
    assert 20 <= now[0] <= 22


@pytest.mark.parametrize("fault", FAULTS)
def test_every_request_is_sent_again_until_it_is_answered(store, proxy, waits, fault):
    def once(ask, expected):
        proxy.once(fault)
        assert ask() == expected
        assert waits[0] == 0.1
        waits.clear()

    once(lambda: store.put("a", b"1"), None)
    once(lambda: store.read("a"), b"1")
    once(store.list, ["a"])
    once(lambda: store.exists("a"), True)
    once(lambda: store.create("b", b"2"), True)
    once(lambda: store.create("b", b"2"), False)
    once(lambda: store.update("b", lambda seen: seen + b"3"), True)
    assert store.read("b") == b"23"
    once(lambda: store.delete("b"), None)
    assert store.list() == ["a"]


def test_an_answer_that_breaks_off_is_asked_for_again(store, proxy):
    store.put("a", b"0123456789" * 1000)
    proxy.once("short", method="GET", times=2)
    assert store.read("a") == b"0123456789" * 1000
    proxy.once("short", method="GET", times=2)
    store.fetch(["a"])
    assert store.path("a").read_bytes() == b"0123456789" * 1000


def test_a_create_whose_answers_were_all_lost_is_the_creators_and_nobody_elses(store, proxy):
    proxy.once("lost", method="PUT", times=3)
    assert store.create("claims/t.a0", b"me")
    assert not store.create("claims/t.a0", b"me")


def test_who_is_overtaken_while_he_waits_did_not_create(store, proxy):
    def overtaken(method, path):
        if method != "PUT":
            return None
        proxy.fault = lambda method, path: None
        assert store.create("claims/t.a0", b"other")
        return "cut"

    proxy.fault = overtaken
    assert not store.create("claims/t.a0", b"me")
    assert store.read("claims/t.a0") == b"other"


def test_an_update_whose_answer_was_lost_is_done_once(store, proxy):
    store.put("count", b"0")
    proxy.once("lost", method="PUT")
    assert store.update("count", lambda seen: str(int(seen) + 1).encode())
    assert store.read("count") == b"1"


@pytest.mark.parametrize(
    ("fault", "why"),
    [("500", "500 Internal Server Error"), ("busy", "503"), ("cut", "error sending request")],
)
def test_a_storage_that_stays_away_is_a_failure_of_storage(store, proxy, waits, fault, why):
    proxy.fault = lambda method, path: fault
    with pytest.raises(StorageError, match=why) as caught:
        store.put("metrics/t/a", b"rows")
    assert classify(caught.value) == "storage"
    assert sum(waits) == pytest.approx(60, abs=1e-6)
    sentence = str(caught.value)
    assert sentence.startswith(f"{store.root}/metrics/t/a: cannot write it")
    assert sentence.endswith("for 60 s. Check that storage and the way there, then resume.")
    assert "\n" not in sentence


def test_what_is_refused_is_not_asked_again(proxy, store, waits):
    with pytest.raises(StorageError, match=r"it answered 404 .*\(NoSuchBucket\)\. Look at") as told:
        Store("s3://nobody-has-this/s").put("a", b"")
    assert waits == []
    assert not isinstance(told.value.__cause__, FileNotFoundError)


def test_no_error_tells_a_secret(store, proxy, monkeypatch):
    proxy.fault = lambda method, path: "500"
    for ask in (lambda: store.read("a"), store.list, lambda: store.create("a", b"")):
        with pytest.raises(StorageError) as caught:
            ask()
        chain = [caught.value, caught.value.__cause__]
        assert not any(word in str(e) for e in chain for word in (SECRET, "somebody"))


def test_without_credentials_nothing_is_sent(store, proxy, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    proxy.seen.clear()
    with pytest.raises(StorageError, match="credentials are needed, got none .* AWS_PROFILE"):
        Store("s3://lab/other")
    assert proxy.seen == []


def test_a_profile_gives_credentials_region_and_endpoint(store, proxy, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    config = tmp_path / "config"
    config.write_text(
        "[profile lab]\naws_access_key_id = a\naws_secret_access_key = b\nregion = eu-west-1\n"
        f"endpoint_url = {proxy.address}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    store.put("a", b"1")
    other = Store(store.root.parent / "t")
    assert other.list() == []
    assert Store(store.root.parent).list() == ["s/a"]


def test_a_service_without_conditions_is_refused(store, proxy):
    check_conditions(store)
    proxy.fault = lambda method, path: "unconditional"
    with pytest.raises(StorageError, match="a file is created once, got twice"):
        check_conditions(store)
    assert store.list() == []


def _write(store, **settings):
    return Writer(store, sweep="s", trial_id="t", attempt=0, every_s=3600, **settings)


def test_rows_wait_in_bounded_number_while_the_storage_is_away(store, proxy, monkeypatch):
    monkeypatch.setattr("results.writer._FULL", 100)
    proxy.fault = lambda method, path: "500" if method == "PUT" else None
    writer = _write(store)
    for step in range(100):
        writer.write(step, {"loss": float(step)})
    for step in range(100, 103):
        with pytest.raises(StorageError):
            writer.write(step, {"loss": float(step)})
    proxy.fault = lambda method, path: None
    writer.close()
    with open_stores([store.root]) as reader:
        steps = reader.trusted("SELECT step FROM metrics ORDER BY step").column(0).to_pylist()
    assert steps == list(range(100))


@pytest.mark.parametrize("seed", range(3))
def test_no_row_that_a_flush_promised_is_lost_or_doubled(store, proxy, seed):
    draw = random.Random(seed)
    kinds = (*(("500", "cut", "lost") * 2), "silence")

    def fault(method, path):
        return draw.choice(kinds) if draw.random() < 0.3 else None

    proxy.fault = fault
    writer = _write(store, fold_at=5)
    promised = -1
    for step in range(60):
        writer.write(step, {"loss": float(step)})
        if draw.random() < 0.4:
            writer.flush()
            promised = step
    with open_stores([store.root]) as reader:
        before = reader.trusted("SELECT step FROM metrics ORDER BY step").column(0).to_pylist()
    assert before == list(range(promised + 1))
    writer.close()
    with open_stores([store.root]) as reader:
        after = reader.trusted("SELECT step, value FROM metrics ORDER BY step").to_pylist()
    assert after == [{"step": step, "value": float(step)} for step in range(60)]
    assert {what for _, _, what in proxy.seen} >= {"500", "cut", "lost"}
