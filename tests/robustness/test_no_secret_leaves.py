"""No command says or writes a password of its tracking URI, whatever a library quotes of it."""

from __future__ import annotations

import pytest

from tfprune import masking

from .conftest import listing

URIS = [
    "http://joe:it's-hunter2-x@127.0.0.1:9",
    "http://joe:hunter2/with@slash@127.0.0.1:9",
    "http://127.0.0.1:9/?password=hunter2",
    "postgresql://joe:hunter2@127.0.0.1:9/db",
    "mysql+pymysql://127.0.0.1:9/db?user=joe&password=hunter2",
    "nonsense://joe:hunter2@somewhere",
    "joe:hunter2@127.0.0.1:5000",
    "sqlite:///mlflow.db?key=hunter2",
    "https://hunter2@127.0.0.1:9",
    "joe/hunter2@127.0.0.1:5000",
]
COMMANDS = [
    ("run", "--dry-run"), ("report", "any"), ("figure", "any"), ("export", "any"),
    ("compare", "any", "other"),
]  # fmt: skip


@pytest.mark.parametrize("uri", URIS)
def test_no_command_repeats_a_password(uri, tmp_path, monkeypatch, capfd):
    from tfprune_cli.main import main

    monkeypatch.setattr(masking, "_known", set())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tokentoken77")
    for command in COMMANDS:
        status = main([*command, "--tracking-uri", uri])
        said = "".join(capfd.readouterr())
        assert status in (1, 2), (command, said)
        assert "hunter2" not in said, command
        assert "tokentoken77" not in said, command
        assert "Traceback" not in said
    for name, content in listing(tmp_path).items():
        assert b"hunter2" not in content, name
