"""Quotas of containers are seen, whatever the control groups look like."""

import pytest

from dj_photon_codecs.layouts.processors import available_processors, quota_of_container


@pytest.fixture
def quota(tmp_path):
    """Return the quota of a process in control groups of some names, with some files."""

    def read(groups, files):
        for name, text in files.items():
            path = tmp_path / "mounted" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if groups is not None:
            (tmp_path / "groups").write_text(groups)
        return quota_of_container(groups=tmp_path / "groups", mounted=tmp_path / "mounted")

    return read


VERSION_1 = "4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param("0::/\n", {"cpu.max": "200000 100000\n"}, 2, id="container"),
        pytest.param("0::/\n", {"cpu.max": "50000 100000"}, 1, id="half a processor"),
        pytest.param("0::/\n", {"cpu.max": "150000 100000"}, 2, id="one and a half"),
        pytest.param("0::/\n", {"cpu.max": "max 100000"}, None, id="no quota"),
        pytest.param("0::/\n", {}, None, id="no control groups"),
        pytest.param(None, {"cpu.max": "300000 100000"}, 3, id="group unknown"),
        pytest.param("0::/a/b", {"a/b/cpu.max": "300000 100000"}, 3, id="a group below"),
        pytest.param(
            "0::/a/b",
            {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"},
            2,
            id="the group above has less",
        ),
        pytest.param("0::/not/here", {"cpu.max": "400000 100000"}, 4, id="names of the host"),
        pytest.param("0::/../..", {"cpu.max": "400000 100000"}, 4, id="above the mount"),
        pytest.param(
            VERSION_1,
            {
                "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "250000",
                "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "50000",
            },
            5,
            id="version 1",
        ),
        pytest.param(
            VERSION_1,
            {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"},
            2,
            id="version 1 in a container",
        ),
        pytest.param(
            VERSION_1,
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
            id="version 1 without a quota",
        ),
        *(
            pytest.param("0::/", {"cpu.max": text}, None, id=f"unreadable {text!r}")
            for text in ("", "200000", "200000 0", "-5 100", "a b", "1 2 3", "max")
        ),
        pytest.param("no colons\n:::\n", {"cpu.max": "200000 100000"}, 2, id="odd groups"),
    ],
)
def test_the_quota_is_seen(quota, groups, files, expected):
    assert quota(groups, files) == expected


def test_there_is_a_processor():
    assert available_processors() >= 1
