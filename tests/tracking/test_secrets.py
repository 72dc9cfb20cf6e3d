"""Passwords, tokens and keys never leave the process, whoever quotes them."""

from __future__ import annotations

import string
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune import errors as secrets
from tfprune.errors import InputError, RunError, masked, masked_form, remember
from tfprune.tracking.errors import RejectedError, UnavailableError
from tfprune.tracking.location import resolve_store


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(secrets, "_known", set())


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://joe:pw@host", "http://***@host"),
        ("https://token@host/path", "https://***@host/path"),
        ("http://joe:p/w:1@2@host:5000/a", "http://***@host:5000/a"),
        ("postgresql://joe:pw@host/db", "postgresql://***@host/db"),
        ("postgresql+psycopg2://host/db?user=j&password=pw", "postgresql+psycopg2://host/db?user=j&password=***"),
        ("http://host/?password=pw&x=1#f", "http://host/?password=***&x=1#f"),
        ("https://host/?access_token=pw", "https://host/?access_token=***"),
        ("https://host/a?X-Amz-Signature=pw&b=2", "https://host/a?X-Amz-Signature=***&b=2"),
        ("joe:pw@host:5000", "***@host:5000"),
        ("Authorization: Bearer abcdef123", "Authorization: Bearer ***"),
    ],
)  # fmt: skip
def test_every_form_of_a_secret_is_masked(uri, shown):
    assert masked_form(uri) == shown


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////data/mlruns/mlflow.db", "http://host:5000", "http://host:5000/path?x=1",
        "train[:5000]", "12:30 at level 3", "mypackage.module:function", "pruning=magnitude",
        "someone@example.org", "bypass=1", "author=joe", "passes=3", "tokens",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text):
    assert masked(text) == text


_LETTERS = string.ascii_letters + string.digits + "/:@!$%^*+-._~|é"


@given(
    st.sampled_from(["http", "https", "postgresql", "mysql+pymysql"]),
    st.text(string.ascii_letters, min_size=1, max_size=8),
    st.text(_LETTERS, min_size=6, max_size=20),
    st.sampled_from(["host", "host:5000", "host/db", "10.0.0.1:80/a?b=c"]),
    st.sampled_from(["{uri}", "can't reach {uri}: refused", "bad port in {password}", "<{uri}>"]),
)
def test_no_generated_password_is_left_in_any_text(scheme, user, password, host, text):
    secrets._known.clear()
    uri = f"{scheme}://{user}:{password}@{host}"
    remember(uri)
    for form in (str, quote, quote_plus):
        said = masked(
            text.format(uri=uri.replace(password, form(password)), password=form(password))
        )
        assert form(password) not in said
        assert password not in said
    assert password not in str(InputError(f"no answer from {uri}"))


def test_a_part_that_another_parser_quotes_is_masked_too():
    remember("http://joe:first/second@host")
    assert masked("Failed to parse port 'first' before /second@host") == (
        "Failed to parse port '***' before /***@host"
    )


@pytest.mark.parametrize("kind", [InputError, RunError, UnavailableError, RejectedError])
def test_no_error_of_ours_repeats_what_a_library_quoted(kind):
    remember("http://joe:hunter2@host")
    assert str(kind("login of joe with hunter2 at http://joe:hunter2@host")) == (
        "login of joe with *** at http://***@host"
    )


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY",
             "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCESS_KEY", "HF_TOKEN"],
)  # fmt: skip
def test_what_the_environment_holds_is_masked(name, monkeypatch):
    monkeypatch.setenv(name, "abcd1234efgh")
    assert masked("denied: abcd1234efgh") == "denied: ***"


def test_files_and_switches_in_the_environment_are_no_secrets(monkeypatch):
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/home/joe/credentials")
    monkeypatch.setenv("AUTH_MODE", "basic")
    assert masked("basic: /home/joe/credentials") == "basic: /home/joe/credentials"


def test_a_location_is_shown_without_its_secrets(tmp_path):
    location = resolve_store("postgresql://joe:a/b@host/db?sslpassword=pw12", folder=tmp_path)
    assert location.shown == "postgresql://***@host/db?sslpassword=***"
    assert location.uri == "postgresql://joe:a/b@host/db?sslpassword=pw12"


def test_an_address_without_a_scheme_is_refused_without_its_password(tmp_path):
    with pytest.raises(InputError) as refused:
        resolve_store("joe:hunter2@host:5000", folder=tmp_path)
    assert str(refused.value) == (
        "tracking URI '***@host:5000': expected a scheme in front, such as http://HOST:PORT for a "
        "server or sqlite:///FILE for a database."
    )
