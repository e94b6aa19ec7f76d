"""Which cluster a verb means: flag over environment over configuration, and what is refused."""

import pytest

from orchestrator import clusters
from orchestrator.clusters import Cluster, find, known, needed
from orchestrator.errors import InputError
from orchestrator.paths import storage_named

LAB = """\
[clusters.lab]
address = "https://head.example:8265/"
storage = "/shared/runs"
token_file = "~/lab.token"

[clusters.desk]
address = "127.0.0.1:6379"
"""


@pytest.fixture
def configured(tmp_path):
    """Writes the user's configuration and returns the environment that leads to it."""

    def write(text):
        path = tmp_path / "cliffsweep" / "config.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return {"XDG_CONFIG_HOME": str(tmp_path)}

    return write


def test_entries_become_clusters(configured):
    found = known(environ=configured(LAB))
    assert list(found) == ["lab", "desk"]
    lab = found["lab"]
    assert (lab.address, lab.storage) == ("https://head.example:8265", "/shared/runs")
    assert lab.token_file.name == "lab.token"
    assert "~" not in str(lab.token_file)
    assert (lab.takes_jobs, found["desk"].takes_jobs) == (True, False)
    assert (found["desk"].storage, found["desk"].token_file) == (None, None)


def test_no_file_means_no_clusters(tmp_path):
    assert known(environ={"XDG_CONFIG_HOME": str(tmp_path)}) == {}


def test_a_flag_beats_the_environment_which_beats_the_only_entry(configured):
    environ = configured(LAB)
    assert find(None, environ=environ) is None
    named = environ | {"CLIFFSWEEP_CLUSTER": "desk"}
    assert find(None, environ=named).name == "desk"
    assert find("lab", environ=named).name == "lab"
    assert find("http://other:1", environ=named) == Cluster(address="http://other:1")
    assert find("local", environ=named) is None
    with pytest.raises(InputError, match="a cluster is needed, got none.*lab, desk"):
        needed(None, environ=environ)
    assert needed(None, environ=configured(LAB.partition("\n\n")[0])).name == "lab"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"given": "a", "of_cluster": "c", "in_file": "f"}, "a"),
        ({"of_cluster": "c", "in_file": "f"}, "env"),
    ],
)
def test_storage_flag_then_environment(given, expected):
    assert storage_named(**given, environ={"CLIFFSWEEP_STORAGE": "env"}) == expected


def test_storage_of_the_cluster_then_of_the_file(configured):
    environ = configured(LAB)
    assert storage_named(of_cluster="c", in_file="f", environ=environ) == "c"
    assert storage_named(in_file="f", environ=environ) == "f"
    assert storage_named(environ=environ) == "runs"
    named = environ | {"CLIFFSWEEP_CLUSTER": "lab"}
    assert storage_named(in_file="f", environ=named) == "/shared/runs"
    assert storage_named(in_file="f", environ=environ | {"CLIFFSWEEP_CLUSTER": "desk"}) == "f"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("clusters = 3", "clusters"),
        ("[clusters.lab]\nstorage = '/x'\n", "lab.address: an address is needed, got none"),
        ("[clusters.lab]\naddress = 'ftp://x'\n", "an address is http"),
        ("[clusters.lab]\naddress = 'http://me:pw@x'\n", "holds no password"),
        (
            "[clusters.lab]\naddress = 'http://x'\ntoken = 'abc'\n",
            "lab.token: a cluster has the keys",
        ),
        ("[clusters.lab\n", "TOML that can be read"),
    ],
)
def test_a_wrong_configuration_is_told_and_not_quoted(configured, text, told):
    environ = configured(text)
    with pytest.raises(InputError) as refused:
        known(environ=environ)
    assert told in str(refused.value)
    assert "config.toml" in str(refused.value)
    assert "abc" not in str(refused.value)
    assert "me:pw" not in str(refused.value)


def test_an_unknown_name_is_answered_with_the_known_ones(configured):
    with pytest.raises(InputError, match=r"got 'labb'.*lab, desk.*Did you mean 'lab'"):
        find("labb", environ=configured(LAB))


def test_the_variable_is_the_one_that_the_command_line_sets():
    assert clusters.CLUSTER_VARIABLE == "CLIFFSWEEP_CLUSTER"
