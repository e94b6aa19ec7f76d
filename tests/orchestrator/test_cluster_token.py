"""Where a cluster's token comes from, who may read it, and that nobody says it."""

import stat

import pytest

from orchestrator import cluster_token
from orchestrator.cluster_token import authenticate, keep_private, ready_to_join, token_of
from orchestrator.clusters import Cluster
from orchestrator.errors import InputError

HEAD = Cluster(address="http://head:8265")
TOKEN = "0123456789abcdef"


@pytest.fixture
def file(tmp_path):
    """Writes a file with a token."""

    def write(name="token", *, mode=0o600, text=f"{TOKEN}\n"):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_token, "default_file", lambda: tmp_path / "ray" / "auth_token")
    (tmp_path / "ray").mkdir()
    return tmp_path


def test_environment_before_configuration_before_rays_own_file(file):
    named = Cluster(address="http://head:8265", token_file=file("named", text="named"))
    path = {"RAY_AUTH_TOKEN_PATH": str(file("path", text="path"))}
    file("ray/auth_token", text="default")
    assert token_of(named, environ=path | {"RAY_AUTH_TOKEN": "value"}) == "value"
    assert token_of(named, environ=path) == "path"
    assert token_of(named, environ={}) == "named"
    assert token_of(HEAD, environ={}) == "default"
    assert token_of(named, environ=path | {"RAY_AUTH_MODE": "disabled"}) is None


def test_no_token_is_refused_with_both_ways_out():
    with pytest.raises(InputError, match=r"got none.*token_file.*RAY_AUTH_MODE=disabled"):
        token_of(HEAD, environ={})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_read_is_refused(file, mode):
    path = file(mode=mode)
    with pytest.raises(InputError, match=rf"got mode {mode:o}\. Run: chmod 600") as refused:
        token_of(HEAD, environ={"RAY_AUTH_TOKEN_PATH": str(path)})
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("text", ["", " \n", "two words", "a\x00b"])
def test_what_is_no_token_is_refused_unsaid(file, text):
    with pytest.raises(InputError, match="a token is one word, got something else"):
        token_of(HEAD, environ={"RAY_AUTH_TOKEN_PATH": str(file(text=text))})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: a file with the cluster's token is needed"):
        token_of(HEAD, environ={"RAY_AUTH_TOKEN_PATH": str(tmp_path / "nowhere")})


def test_rays_own_file_is_made_private(file):
    path = file("ray/auth_token", mode=0o644)
    keep_private()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_ray_is_told_the_path_and_never_the_token(file):
    cluster = Cluster(address="head:6379", token_file=file())
    environ = {}
    authenticate(cluster, environ=environ)
    assert environ == {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(cluster.token_file),
    }
    environ = {}
    authenticate(None, environ=environ)
    assert environ == {"RAY_AUTH_MODE": "token"}
    environ = {"RAY_AUTH_MODE": "disabled"}
    authenticate(cluster, environ=environ)
    assert environ == {"RAY_AUTH_MODE": "disabled"}


def test_a_file_that_a_local_ray_would_stumble_over_is_told(file, tmp_path):
    for path, told in ((tmp_path / "nowhere", "is needed"), (file(mode=0o644), "got mode 644")):
        with pytest.raises(InputError, match=told):
            authenticate(None, environ={"RAY_AUTH_TOKEN_PATH": str(path)})


def test_a_driver_here_cannot_join_a_job_endpoint():
    with pytest.raises(InputError, match="got the job endpoint http://head:8265.*submit"):
        ready_to_join("http://head:8265")
