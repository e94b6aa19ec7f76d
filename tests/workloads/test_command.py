"""The program `command`: any script that prints JSON lines, its parameters, checkpoints and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from workloads.config import Progress, validate
from workloads.programs.command import ScriptError
from workloads.state import State


def config(script: str, folder: Path, **keys):
    (folder / "train.py").write_text(textwrap.dedent(script))
    return validate({"kind": "command", "run": ["python", "train.py"], **keys})


def train(script: str, folder: Path, **keys) -> list[Progress]:
    state = State(sources=folder)
    return [p for p in config(script, folder, **keys).build().train(state) if p.metrics or p.layers]


ARGUMENTS = """
    import json, sys
    print("hello")
    print(json.dumps({"step": 1, "count": len(sys.argv) - 1, "flag": True, "word": "x"}))
    print(" ".join(sys.argv[1:]), file=sys.stdout)
    print(json.dumps({"step": 3, "loss": float("nan"), "layers": {"fc": {"sparsity": 0.5}}}))
    print('{"step": "2", "loss": 1}')
    print('{"no": "step"}')
"""


def test_lines_become_progress_and_the_rest_is_log(tmp_path, capfd):
    parameters = {"learning_rate": 0.1, "optimizer": {"beta": 0.9}, "sizes": [1, 2], "off": None}
    found = train(ARGUMENTS, tmp_path, parameters=parameters, seed=7)

    assert [p.step for p in found] == [1, 3]
    assert found[0].metrics == {"count": 8.0}
    assert found[1].metrics["loss"] != found[1].metrics["loss"]
    assert found[1].layers == {"fc": {"sparsity": 0.5}}
    said = capfd.readouterr().out
    assert "--seed 7 --learning_rate 0.1 --optimizer.beta 0.9 --sizes [1, 2]\n" in said
    assert '{"step": "2", "loss": 1}' in said
    assert "hello" in said


def test_before_its_first_line_a_script_has_no_step_so_that_a_late_step_0_is_new(tmp_path):
    script = """
        import json, os, sys, time
        while not os.path.exists(sys.argv[2]):
            time.sleep(0.01)
        print(json.dumps({"step": 0, "loss": 1.0}))
    """
    here = tmp_path / "here"
    steps = []
    for progress in (
        config(script, tmp_path, parameters={"flag": str(here)})
        .build()
        .train(State(sources=tmp_path))
    ):
        steps.append(progress.step)
        here.touch()
    assert steps[0] == -1
    assert [step for step in steps if step >= 0] == [0]


def test_parameters_may_come_as_environment_and_secrets_by_name(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("TOKEN_A", "one")
    monkeypatch.setenv("TOKEN_B", "two")
    script = """
        import os, sys
        names = [k for k in os.environ if "CLIFFSWEEP_LEARN" in k or "TOKEN" in k]
        print(sorted((k, os.environ[k]) for k in names))
        print(sys.argv[1:])
    """
    keys = {"pass_by": "environment", "env": ["TOKEN_A"]}
    train(script, tmp_path, parameters={"learning.rate": 0.1}, **keys)
    said = capfd.readouterr().out
    assert "[('CLIFFSWEEP_LEARNING_RATE', '0.1'), ('TOKEN_A', 'one')]" in said
    assert "\n[]\n" in said


SAVING = """
    import json, os, pathlib, signal, sys
    folder = pathlib.Path(os.environ["CLIFFSWEEP_CHECKPOINT_DIR"])
    kept = folder / "inside" / "sum.txt"
    total = int(kept.read_text()) if kept.exists() else 0
    first = int(os.environ.get("CLIFFSWEEP_RESUME_STEP", 0)) + 1
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    for step in range(first, 8):
        total += step
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(str(total))
        whole = step % 2 == 0 or bool(asked)
        print(json.dumps({"step": step, "total": total, "checkpoint": whole}), flush=True)
        if asked:
            sys.exit(0)
        if step == int(sys.argv[-1]):
            signal.pause()
"""


def test_a_script_goes_on_from_what_it_saved(tmp_path):
    sources, saved = tmp_path / "sources", tmp_path / "saved"
    sources.mkdir()
    saved.mkdir()
    program = config(SAVING, sources, parameters={"stop": 4})
    state = State(sources=sources)
    seen = []
    for progress in program.build().train(state):
        seen.append((progress.step, state.savable))
        if state.savable and progress.step == 4:
            state.save(saved)
            break
    assert seen == [(1, False), (2, True), (3, False), (4, True)]

    second = State(sources=sources, resume_from=saved)
    rest = config(SAVING, sources, parameters={"stop": 0}).build().train(second)
    found = [p for p in rest if p.metrics]
    assert [(p.step, p.metrics["total"]) for p in found] == [(5, 15), (6, 21), (7, 28)]


def test_a_script_that_is_asked_to_leave_saves_itself(tmp_path):
    state = State(sources=tmp_path)
    last = None
    for progress in config(SAVING, tmp_path, parameters={"stop": 3}).build().train(state):
        last = (progress.step, state.savable)
        state.leaving = progress.step == 3
    assert last == (4, True)


def test_nothing_is_left_of_a_script_whose_worker_is_killed(tmp_path):
    (tmp_path / "train.py").write_text(
        'import os, time\nprint(\'{"step": 1, "pid": %d}\' % os.getpid(), flush=True)\n'
        "time.sleep(1000)\n"
    )
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib\n"
            "from workloads.config import validate\n"
            "from workloads.state import State\n"
            "run = validate({'kind': 'command', 'run': ['python', 'train.py']}).build()\n"
            "for p in run.train(State(sources=pathlib.Path(sys.argv[1]))):\n"
            "    if p.metrics: print(int(p.metrics['pid']), flush=True)\n",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    with worker.stdout:
        pid = int(worker.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        os.sched_yield()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("raise SystemExit(3)", "status 0, got 3"),
        ("import os; os.kill(os.getpid(), 9)", "status 0, got 137"),
        ("print('so long'); 1 / 0", "so long"),
        ('print(\'{"step": 2}\'); print(\'{"step": 2, "a": 1}\')', "got 2 after 2. Print all"),
        ("print('{\"step\": 0}'); print('{\"step\": 0}')", "got 0 after 0"),
        ("print('{\"step\": -1}')", "got -1 after a start at 0"),
    ],
)
def test_a_script_that_fails_is_told_in_a_line(tmp_path, script, sentence):
    with pytest.raises(ScriptError, match=sentence):
        train(script, tmp_path)


def test_what_is_missing_is_found_before_anything_starts(tmp_path):
    program = config("", tmp_path, env=["NO_SUCH_VARIABLE_9"])
    with pytest.raises(ValueError, match=r"script 'train.py' is needed.*files: \[train.py\]"):
        program.check()
    with pytest.raises(ValueError, match="NO_SUCH_VARIABLE_9 is needed"):
        program.check(files=[tmp_path / "train.py"])
    other = validate({"kind": "command", "run": ["no-such-command-9"]})
    with pytest.raises(ValueError, match="'no-such-command-9', which is neither"):
        other.check()
    validate({"kind": "command", "run": ["sh", "-c", "true"]}).check()


def test_overrides_are_words_of_hydras_grammar(tmp_path, capfd):
    script = 'import sys; print("|".join(sys.argv[1:])); print(\'{"step": 1}\')'
    parameters = {
        "optimizer": {"kind": "adam", "lr": 0.1},
        "model": {"width": 8, "name": "it's"},
        "sizes": [1, "a b", None],
        "words": ["a,b", "1", "true", "a\\", ""],
        "none": None,
    }
    train(script, tmp_path, parameters=parameters, pass_by="overrides", seed=3)
    assert capfd.readouterr().out.splitlines()[0].split("|") == [
        "seed=3",
        "optimizer=adam",
        "optimizer.lr=0.1",
        "model.width=8",
        r"model.name='it\'s'",
        "sizes=[1,'a b',null]",
        r"words=['a,b','1','true','a\\','']",
        "none=null",
    ]
