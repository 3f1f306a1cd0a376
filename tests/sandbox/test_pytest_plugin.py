"""The pytest plugin in a separate project, loaded by the entry point of the installed package.

Separate processes run the page's example and what depends on the modules that are loaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

pytest_plugins = ["pytester"]

PAGE: Final = Path(__file__).parents[2] / "tidb_pe_magic" / "help" / "sandbox.md"
#: A warning of the plugin would fail each test.
STRICT: Final = ("-p", "no:cacheprovider", "--strict-markers", "-W", "error")


def test_the_readmes_example_passes(pytester: pytest.Pytester) -> None:
    """The page's tests, with the official SDK and httpx alone, pass unchanged in two workers."""
    section = PAGE.read_text(encoding="utf-8").partition("## In pytest")[2]
    (example,) = re.findall(r"```python\n(# test_platform\.py\n.*?)```", section, re.DOTALL)
    assert "tidb_pe_magic" not in example
    pytester.makepyfile(test_platform=example)
    deprecated = ("-W", "ignore:datetime.datetime.utcnow:DeprecationWarning")
    result = pytester.runpytest_subprocess(*STRICT, *deprecated, "-n", "2", "--dist", "load")
    result.assert_outcomes(passed=example.count("\ndef test_"))


def test_a_run_that_does_not_use_it_loads_nothing_heavy(pytester: pytest.Pytester) -> None:
    """The plugin is loaded, and none of the extra's packages is imported."""
    pytester.makepyfile(
        """
        import sys

        HEAVY = {"duckdb", "flask", "numpy", "pandas", "pyarrow", "pydantic", "sqlglot", "werkzeug"}

        def test_nothing():
            assert "tidb_pe_magic.sandbox.pytest_plugin" in sys.modules
            assert not HEAVY & set(sys.modules)
        """
    )
    # Other plugins of this environment import packages of their own.
    others = ("-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:typeguard", "-p", "no:xdist")
    pytester.runpytest_subprocess(*STRICT, *others).assert_outcomes(passed=1)


def test_each_test_has_a_new_sandbox_with_its_markers_options(pytester: pytest.Pytester) -> None:
    """State, database, keys, log, environment and options end with their test."""
    pytester.makeini("[pytest]\ntidb_pe_sandbox_flights = 7\n")
    pytester.makepyfile(
        """
        import os
        import pymysql
        import pytest

        KEYS = set()

        def connect(sandbox):
            made = sandbox.world.create_endpoint(
                service=sandbox.world.services[0], vpc_id="vpc-t4nanalytics0k3m7x",
                zones=[("ap-southeast-1a", "vsw-t4na1")], security_groups=["sg-t4nanalytics"],
            )
            return pymysql.connect(
                host=made.domain, port=made.port, user="2vKmPqRsTuWxYzA.root",
                password=sandbox.environment()["TIDB_PASSWORD"], autocommit=True,
            )

        @pytest.mark.parametrize("time", range(2))
        def test_new(tidb_pe_sandbox, tidb_pe_environment, monkeypatch, time):
            KEYS.add(os.environ["TIDBCLOUD_PRIVATE_KEY"])
            assert len(KEYS) == time + 1
            assert "TIDBCLOUD_PROFILE" not in os.environ and "ALIBABA_CLOUD_SECURITY_TOKEN" not in os.environ
            assert not tidb_pe_sandbox.requests and not tidb_pe_sandbox.world.endpoints
            with connect(tidb_pe_sandbox) as connection:
                cursor = connection.cursor()
                cursor.execute("CREATE TABLE test.mine (a INT)")
                cursor.execute("SELECT count(*) FROM nycflights13.flights")
                assert cursor.fetchone() == (7,)
            assert tidb_pe_sandbox.requests.operations == ["LOGIN", "SET", "CREATE", "SELECT"]

        def test_put_back():
            assert os.environ["TIDBCLOUD_PROFILE"] == "real" and "TIDBCLOUD_PRIVATE_KEY" not in os.environ

        @pytest.mark.tidb_pe_sandbox(mode="manual", flights=3)
        class TestMarked:
            @pytest.mark.tidb_pe_sandbox(scenario="endpoint-exists", fault_seed=7)
            def test_all(self, tidb_pe_sandbox):
                (endpoint,) = tidb_pe_sandbox.world.endpoints.values()
                assert endpoint.endpoint_status == "Creating"
                assert tidb_pe_sandbox.faults.pending
                assert tidb_pe_sandbox.snapshot().database.flights == 3

            def test_stops_its_own(self, tidb_pe_sandbox):
                tidb_pe_sandbox.stop()

            @pytest.mark.tidb_pe_sandbox(mode="immediate")
            def test_nearest(self, tidb_pe_sandbox):
                assert tidb_pe_sandbox.running
                assert tidb_pe_sandbox.world.mode == "immediate"
                assert not tidb_pe_sandbox.world.endpoints and not tidb_pe_sandbox.faults.pending
        """
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDBCLOUD_PROFILE", "real")
        patch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "real")
        patch.delenv("TIDBCLOUD_PRIVATE_KEY", raising=False)
        pytester.runpytest_inprocess(*STRICT).assert_outcomes(passed=6)


def test_a_failure_shows_the_requests_and_no_secret(pytester: pytest.Pytester) -> None:
    """The report shows the log as a table or says that it is empty; keys and passwords are masked."""
    pytester.makepyfile(
        """
        import urllib.request
        import pytest

        def test_asked(tidb_pe_sandbox, tidb_pe_environment):
            url = tidb_pe_environment["TIDB_PE_METADATA_ENDPOINT"]
            assert urllib.request.urlopen(url + "/latest/meta-data/zone-id").read() == b"nowhere"

        def test_not_asked(tidb_pe_sandbox):
            assert tidb_pe_sandbox.requests.count("CreateVpcEndpoint") == 1

        def test_passes(tidb_pe_sandbox):
            pass

        def test_without():
            raise AssertionError("no sandbox")
        """
    )
    result = pytester.runpytest_inprocess(*STRICT, "--showlocals", "-vv")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*test_asked*",
            "*- requests to tidb_pe_sandbox -*",
            "#  time (UTC)*operation*answer*",
            "1  *metadata*/latest/meta-data/zone-id*200*",
            "*test_not_asked*",
            "*assert 0 == 1*",
            "*- requests to tidb_pe_sandbox -*",
            "No requests have arrived.*tidb_pe_environment*",
        ]
    )
    text = result.stdout.str()
    assert text.count("- requests to tidb_pe_sandbox -") == 2
    assert "'TIDBCLOUD_PRIVATE_KEY': '***'" in text


@pytest.mark.parametrize("extra", [True, False], ids=["installed", "missing"])
def test_an_impossible_marker_fails_in_one_line(pytester: pytest.Pytester, *, extra: bool) -> None:
    """A mistyped marker lists the existing ones; without the extra, each test fails with its name."""
    pytester.makeconftest("" if extra else "import sys\nsys.modules['duckdb'] = None")
    cases = {
        "(scenario='no-tl')": "unknown scenario 'no-tl': did you mean no-tls? Choose from clean, no-tls, *",
        "(scenaro='tls')": "unknown option 'scenaro': did you mean scenario? Choose from scenario, *",
        "(mode='never')": "unknown mode 'never': Choose from immediate, manual, time",
        "('tls')": "the marker takes its options by name, for example scenario='tls'",
        "(flights='many')": "flights='many' is not of type int",
        "(seconds=0)": "seconds=0 is too little",
        "(upstream='nowhere')": "'nowhere' is not HOST:PORT, as in 127.0.0.1:3306",
        "()": None if extra else "the package duckdb is missing: pip install cryptography duckdb flask *",
    }
    pytester.makepyfile(
        "import pytest\n"
        + "\n".join(
            f"@pytest.mark.tidb_pe_sandbox{marker}\ndef test_{number}(tidb_pe_sandbox): pass"
            for number, marker in enumerate(cases)
        )
    )
    result = (pytester.runpytest_inprocess if extra else pytester.runpytest_subprocess)(*STRICT)
    expected = [f"tidb_pe_sandbox: {line}" for line in cases.values() if line is not None]
    result.assert_outcomes(passed=len(cases) - len(expected), errors=len(expected))
    result.stdout.fnmatch_lines(expected)
    assert "Traceback" not in result.stdout.str()


def test_the_configuration_is_checked(pytester: pytest.Pytester) -> None:
    """An invalid number of flights is an error in one line; `all` means all of them."""
    pytester.makeini("[pytest]\ntidb_pe_sandbox_flights = many\n")
    pytester.makepyfile("def test(tidb_pe_sandbox): pass")
    result = pytester.runpytest_subprocess(*STRICT)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["tidb_pe_sandbox: tidb_pe_sandbox_flights = many: it must be a number of rows, or all"]
    )
