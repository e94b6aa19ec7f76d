"""What a checkpoint brings back, what it refuses, and that a process can be made like new."""

import os
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from workloads import state as module
from workloads.state import CheckpointError, State, isolated, reset_process
from workloads.streams import generator, restore, snapshot


class Sum:
    def __init__(self) -> None:
        self.total = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.total = state_dict["total"]


def draw() -> tuple[float, ...]:
    """Draws from every stream, an odd number of normals so that the cached half counts."""
    python, legacy = random.gauss(0, 1), np.random.randn()
    return (random.random(), python, float(np.random.rand()), legacy, float(torch.randn(())))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    state, total = State(threads=1), Sum()
    state.attach(total=total)
    total.total, state.step = 2.5, 7
    state.save(tmp_path)
    return tmp_path


def test_a_new_state_is_at_step_0() -> None:
    state = State()
    assert (state.step, state.resumed, state.steps_per_epoch, state.mismatches) == (
        0,
        False,
        None,
        [],
    )


def test_parts_and_step_come_back(saved: Path) -> None:
    state, total = State(resume_from=saved), Sum()
    state.attach(total=total)
    assert (state.step, state.resumed, total.total) == (7, True, 2.5)
    assert state.mismatches == []


def test_streams_come_back(tmp_path: Path) -> None:
    draw()
    state = State()
    state.attach()
    state.save(tmp_path)
    expected = [draw() for _ in range(3)]
    reset_process(seed=9, threads=1)
    again = State(resume_from=tmp_path)
    again.attach()
    assert [draw() for _ in range(3)] == expected


def test_streams_stand_right_after_the_last_attach(tmp_path: Path) -> None:
    state = State()
    state.attach(a=Sum(), b=Sum())
    state.save(tmp_path)
    expected = draw()
    again = State(resume_from=tmp_path)
    again.attach(a=Sum())
    draw()
    again.attach(b=Sum())
    assert draw() == expected


def test_modules_and_optimizers_come_back_bit_for_bit(tmp_path: Path) -> None:
    def parts() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = nn.Linear(3, 3)
        return model, torch.optim.AdamW(model.parameters(), fused=True)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        model(torch.ones(2, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    model, optimizer = parts()
    state = State()
    state.attach(model=model, optimizer=optimizer)
    update(model, optimizer)
    state.save(tmp_path)
    update(model, optimizer)
    other, other_optimizer = parts()
    State(resume_from=tmp_path).attach(model=other, optimizer=other_optimizer)
    update(other, other_optimizer)
    assert torch.equal(model.weight, other.weight)


def test_threads_of_the_checkpoint_are_used_again(tmp_path: Path) -> None:
    state = State(threads=2)
    state.attach()
    assert torch.get_num_threads() == 2
    state.save(tmp_path)
    torch.set_num_threads(1)
    again = State(threads=1, resume_from=tmp_path)
    again.attach()
    assert again.threads == torch.get_num_threads() == 2
    assert again.mismatches == []


def test_another_machine_is_told(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cpu_model", lambda: "another processor")
    (sentence,) = State(resume_from=saved).mismatches
    assert "cpu was" in sentence
    assert "'another processor' now" in sentence


def test_another_number_of_devices_is_told_and_refuses_nothing(saved: Path) -> None:
    state = State(devices=2, resume_from=saved)
    (sentence,) = state.mismatches
    assert "devices was 1" in sentence
    assert "is 2 now" in sentence
    state.attach(total=Sum())


def test_a_checkpoint_that_names_no_devices_was_saved_on_one(saved: Path) -> None:
    content = torch.load(saved / "state.pt", weights_only=True)
    del content["environment"]["devices"], content["shares"]
    torch.save(content, saved / "state.pt")
    state = State(resume_from=saved)
    state.attach(total=Sum())
    state.part_streams(0)
    assert state.mismatches == []


def test_what_others_write_is_left_to_them(tmp_path: Path) -> None:
    state, seen = State(), []
    state.written_by = seen.append
    state.save(tmp_path)
    assert seen == [tmp_path]
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_told() -> None:
    environment = State(threads=3).environment()
    assert environment["threads"] == 3
    assert environment["torch"] == torch.__version__
    assert environment["cpu"]


def test_a_missing_part_is_refused(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="got 'other' and only total"):
        State(resume_from=saved).attach(other=Sum())


def test_a_part_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    state = State()
    state.attach(part=nn.Linear(2, 2))
    state.save(tmp_path)
    for other in (nn.Linear(3, 3), Sum()):
        with pytest.raises(CheckpointError, match="part 'part' takes what it saved"):
            State(resume_from=tmp_path).attach(part=other)


def test_torn_missing_and_strange_files_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="needs a whole checkpoint"):
        State(resume_from=tmp_path / "missing")
    file = saved / "state.pt"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="needs a whole checkpoint"):
        State(resume_from=saved)
    for strange in ({"format": 99}, [1]):
        torch.save(strange, file)
        with pytest.raises(CheckpointError, match="needs checkpoint format 1"):
            State(resume_from=saved)


def test_code_in_a_checkpoint_does_not_run(saved: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"format": 1, "step": Evil()}, saved / "state.pt")
    with pytest.raises(CheckpointError):
        State(resume_from=saved)
    assert not (tmp_path / "ran").exists()


def spoil() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("medium")
    torch.autograd.set_detect_anomaly(True)


def observe() -> tuple[object, ...]:
    flags = (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        torch.is_anomaly_enabled(),
    )
    return (*flags, draw())


def test_reset_undoes_what_a_trial_may_do() -> None:
    reset_process(seed=3, threads=1)
    expected = observe()
    spoil()
    assert observe() != expected
    reset_process(seed=3, threads=1)
    assert observe() == expected


def test_reset_works_in_a_new_thread() -> None:
    reset_process(seed=3, threads=1)
    expected, seen = observe(), []

    def trial() -> None:
        reset_process(seed=3, threads=1)
        seen.append(observe())

    spoil()
    thread = threading.Thread(target=trial)
    thread.start()
    thread.join()
    reset_process(seed=3, threads=1)
    assert seen == [expected]


def test_any_integer_is_a_seed() -> None:
    for seed in (-1, 2**40, 2**64 + 3):
        reset_process(seed=seed, threads=1)
        first = draw()
        reset_process(seed=seed, threads=1)
        assert draw() == first


def test_environment_and_directory_are_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "before")
    monkeypatch.setenv("GONE", "before")
    directory = Path.cwd()

    def trial() -> None:
        os.environ["OURS"] = "after"
        os.environ["NEW_ONE"] = "after"
        del os.environ["GONE"]
        os.chdir(tmp_path)
        raise RuntimeError("as trials do")

    with pytest.raises(RuntimeError, match="as trials do"), isolated(seed=0, threads=1):
        trial()
    assert (os.environ["OURS"], os.environ["GONE"]) == ("before", "before")
    assert "NEW_ONE" not in os.environ
    assert Path.cwd() == directory


def test_named_streams_depend_on_seed_and_names_alone() -> None:
    def first(*arguments: Any) -> float:
        return float(torch.rand((), generator=generator(*arguments)))

    assert first(0, "order", 1) == first(0, "order", 1)
    assert len({first(0, "order", 1), first(0, "order", 2), first(1, "order", 1), first(0)}) == 4


def test_gpu_streams_of_another_machine_are_left_alone() -> None:
    streams = snapshot(cuda=False)
    first = torch.rand(3)
    restore({**streams, "cuda": [torch.zeros(16, dtype=torch.uint8)] * 99})
    assert torch.equal(torch.rand(3), first)
