"""The shipped speech: packed without loss, proven by its hash, rebuilt from one source only."""

import lzma
from pathlib import Path

import numpy as np
import pytest

from workloads.data import build_speech
from workloads.data.files import DataError, fingerprint


def test_packing_loses_nothing() -> None:
    stream = np.random.default_rng(0)
    clips = {
        "loud": stream.integers(-32768, 32768, 999).astype(np.int16),
        "edges": np.array([32767, -32768, 32767, 0, -1], np.int16),
        "one": np.array([5], np.int16),
    }
    again = build_speech.unpack(build_speech.pack(clips))
    assert list(again) == list(clips)
    assert all((again[name] == clip).all() for name, clip in clips.items())
    assert again["loud"].dtype == np.int16


def test_the_shipped_clips_are_speech_of_the_stated_length() -> None:
    clips = build_speech.read()
    assert tuple(clips) == build_speech.NAMES
    assert len(set(clips)) == 49
    assert sum(map(len, clips.values())) == 2_261_620
    for clip in clips.values():
        assert 2 <= len(clip) / build_speech.RATE <= 4.5
        assert 1000 < np.sqrt(np.mean(clip.astype(float) ** 2)) < 8000
    assert build_speech.pack(clips) == lzma.decompress(build_speech.FILE.read_bytes())


def test_it_is_small_and_comes_with_its_licence() -> None:
    assert build_speech.FILE.stat().st_size < 3_000_000
    licence = (build_speech.FILE.parent / "LICENSE").read_text()
    for words in ("Allison Smith", "Digium", "CC-BY-SA-3.0", "by-sa/3.0", "Changes:"):
        assert words in licence


def test_rebuilding_refuses_another_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"got no agent-newlocation\.g722\. Use .* 1\.6\.1\.$"):
        build_speech.build(tmp_path)
    pytest.importorskip("G722", reason="the build script's decoder is not installed")
    for name in build_speech.NAMES:
        (tmp_path / f"{name}.g722").write_bytes(bytes(800))
    with pytest.raises(DataError, match=r"got [0-9a-f]{64}\. Use .* 1\.6\.1\.$"):
        build_speech.build(tmp_path, file=tmp_path / "speech.xz")
    assert not (tmp_path / "speech.xz").exists()


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    content = build_speech.pack({"a": np.zeros(9, np.int16)})
    file = tmp_path / "speech.xz"
    file.write_bytes(lzma.compress(content))
    with pytest.raises(DataError) as caught:
        build_speech.read(file)
    message = str(caught.value)
    assert build_speech.SHA256 in message
    assert fingerprint(content) in message
    assert message.endswith("python -m workloads.data.build_speech.")
    assert "\n" not in message
