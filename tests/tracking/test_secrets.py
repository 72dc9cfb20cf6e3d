"""Passwords, tokens and keys never leave the process, whoever quotes them."""

from __future__ import annotations

import base64
import html
import json
import string
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune import masking
from tfprune.errors import InputError, RunError, reason
from tfprune.masking import masked, masked_form, remember
from tfprune.tracking.errors import RejectedError, UnavailableError
from tfprune.tracking.location import resolve_store


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(masking, "_known", set())


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://joe:pw@host", "http://***@host"),
        ("https://token@host/path", "https://***@host/path"),
        ("http://joe:p/w:1@2@host:5000/a", "http://***@host:5000/a"),
        ("postgresql://joe:pw@host/db", "postgresql://***@host/db"),
        ("postgresql+psycopg2://host/db?user=j&password=pw", "postgresql+psycopg2://host/db?user=j&password=***"),
        ("http://host/?password=pw&x=1#f", "http://host/?password=***&x=***#***"),
        ("https://host/?access_token=pw", "https://host/?access_token=***"),
        ("https://host/a?X-Amz-Signature=pw&b=2", "https://host/a?X-Amz-Signature=***&b=***"),
        ("joe:pw@host:5000", "***@host:5000"),
        ("Authorization: Bearer abcdef123", "Authorization: Bearer ***"),
        ("http://h/#access_token=pw", "http://h/#access_token=***"),
        ("http://h/#pw", "http://h/#***"),
        ("http://h/?pw", "http://h/?***"),
        ("http://h/?t=pw&key=b;x=c", "http://h/?t=***&key=***;x=***"),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dj%3BPWD%3Dpw%3Bx%3D1", "mssql+pyodbc:///?odbc_connect=***"),
        ("bad: 'UID%3Dj%3BPWD%3Dpw%3Bx%3D1'", "bad: 'UID%3Dj%3BPWD%3D***%3Bx%3D1'"),
        ("http://10.0.0.1:9@joe:pw", "http://***@joe:***"),
        ("request to http://joe:pw/a", "request to http://joe:***/a"),
        ("postgresql://host/db?sslmode=require", "postgresql://host/db?sslmode=require"),
        ("http://joe:it's-a\"<pw>@host, then", "http://***@host, then"),
        ("databricks://name:scope", "databricks://***"),
        ("databricks://profile", "databricks://profile"),
        ("joe/pw@host:5000", "***@host:5000"),
        ("token@host:5000", "***@host:5000"),
        ("//joe:pw@host/db", "//***@host/db"),
        ("'password': 'a pw', 'user': 'joe'", "'password': '***', 'user': 'joe'"),
        ('{"password":"pw","a":1}', '{"password":"***","a":1}'),
        ('{\\"password\\": \\"pw\\"}', '{\\"password\\": \\"***\\"}'),
        ("host=h password='a pw' user=joe", "host=h password='***' user=joe"),
        ("Server=h;Pwd={a;pw};", "Server=h;Pwd=***;"),
        ("password = pw", "password = ***"),
        ("password: pw\nuser: joe", "password: ***\nuser: joe"),
        ("X-Api-Key: pw", "X-Api-Key: ***"),
        ("Authorization: Token pw", "Authorization: Token ***"),
        ("'authorization': 'Basic pw'", "'authorization': '***'"),
    ],
)  # fmt: skip
def test_every_form_of_a_secret_is_masked(uri, shown):
    assert masked_form(uri) == shown


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////data/mlruns/mlflow.db", "http://host:5000", "http://host:5000/path",
        "http://HOST:PORT", "http://[::1]:9", "http://host:5000: refused", "http://a:1,b:2/c",
        "train[:5000]", "12:30 at level 3", "mypackage.module:function", "pruning=magnitude",
        "someone@example.org", "bypass=1", "author=joe", "passes=3", "tokens",
        "images/cat@2x.png", "mypackage.token:function", "the password is asked for: type it",
        "signature: (None, 8, 8, 1)", "pass: 2 of 3", "databricks", "/data/a:b/c@d",
        "unknown run 'digits@latest:1'", "digits@latest:1:0",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text):
    assert masked(text) == text


_LETTERS = string.ascii_letters + string.digits + "/:@!$%^*+-._~|é'\"<>[]{}()\\,;=?#& "


def quoted(text):
    return repr(text)[1:-1]


def escaped(text):
    return json.dumps(text)[1:-1]


def holds(said, secret, around):
    """Whether a text has a secret that is not a part of the words around it, as `refu` is."""
    return secret.strip() in said and secret.strip() not in around


@given(
    st.sampled_from(["http", "https", "postgresql", "mysql+pymysql"]),
    st.text(string.ascii_letters, max_size=8),
    st.text(_LETTERS, min_size=6, max_size=20),
    st.sampled_from(["host", "host:5000", "host/db", "10.0.0.1:80/a?b=c"]),
    st.sampled_from(["{uri}", "can't reach {uri}: refused", "bad port in {password}", "<{uri}>"]),
)
def test_no_generated_password_is_left_in_any_text(scheme, user, password, host, text):
    masking._known.clear()
    uri = f"{scheme}://{user}:{password}@{host}"
    remember(uri)
    for form in (str, quote, quote_plus, quoted, escaped, html.escape):
        said = masked(
            text.format(uri=uri.replace(password, form(password)), password=form(password))
        )
        assert not holds(said, form(password), text)
        assert not holds(said, password, text)
    assert not holds(str(InputError(f"no answer from {uri}")), password, "no answer from")


def test_a_part_that_another_parser_quotes_is_masked_too():
    remember("http://joe:first/second@host")
    assert masked("Failed to parse port 'first' before /second@host") == (
        "Failed to parse port '***' before /***@host"
    )


def test_values_that_a_library_quotes_without_their_address_are_masked_too():
    remember("mssql+pyodbc:///?odbc_connect=UID%3Djoe%3BPWD%3Dhunter2&t=abcdefgh&timeout=30")
    remember("http://joe:first\n@host")
    assert masked("joe: hunter2, abcdefgh, 30, first") == "joe: ***, ***, 30, ***"


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


@pytest.mark.parametrize(
    ("name", "value"),
    [("MLFLOW_TRACKING_PASSWORD", "hunter2"), ("PGPASSWORD", "/a/b"), ("GITHUB_TOKEN", "abcd")],
)
def test_a_variable_that_is_a_secret_by_its_name_may_be_short(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    assert masked(f"denied: {value}!") == "denied: ***!"


def test_a_server_that_repeats_the_header_of_a_login_gives_nothing_away(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "joe")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    remember("http://ann:it%27s@host")
    for login in (b"joe:hunter2", b"ann:it's"):
        sent = base64.b64encode(login).decode()
        assert masked(f"what is {sent}?") == "what is ***?"


@pytest.mark.parametrize(
    ("uri", "secret"),
    [
        ("https://abcdef@host", "abcdef"), ("joe/hunter2@host:5000", "hunter2"),
        ("sqlite:///x.db?key=hunter2", "hunter2"), ("sqlite:///x.db?a=hunter2", "hunter2"),
        ("databricks://hunter2:scope", "hunter2"), ("http://joe:hunter2", "hunter2"),
        ("joe:hunter2", "hunter2"), ("http://h/?hunter2", "hunter2"),
        ("http://joe%3Ahunter2@host", "hunter2"), ("http://joe:hunter2%40host", "hunter2"),
        ("http://joe:it's-hunter2-x@127.0.0.1:9", "it's-hunter2-x"),
    ],
)  # fmt: skip
def test_a_secret_of_a_tracking_uri_is_known_wherever_it_stands_in_it(uri, secret):
    remember(uri)
    assert masked(f"no login with {secret} here") == "no login with *** here"
    assert secret not in masked(f"tracking URI {uri!r}: expected another")


def test_what_is_masked_stays_as_it_is():
    """So that what was stored masked and what is shown masked now can be held side by side."""
    remember("http://joe:hunter2@host:5000/?key=abcd")
    for text in ("http://joe:hunter2@host:5000/?key=abcd", "password: pw", "{'token': 'x'}"):
        assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize("kind", [InputError, RunError, UnavailableError, RejectedError])
def test_no_error_of_ours_steers_a_terminal(kind):
    text = "a\x1b]0;owned\x07\x1b[2J\r\x00b\nc\td\x9b"
    assert str(kind(text)) == "a\\x1b]0;owned\\x07\\x1b[2J\\r\\x00b\nc\td\\x9b"


def test_half_a_secret_is_not_left_where_a_long_message_is_cut():
    remember("http://joe:hunter2hunter2@host")
    assert "hunter2" not in reason(ValueError("x" * 290 + " hunter2hunter2"))


def test_an_address_without_a_scheme_is_refused_without_its_password(tmp_path):
    with pytest.raises(InputError) as refused:
        resolve_store("joe:hunter2@host:5000", folder=tmp_path)
    assert str(refused.value) == (
        "tracking URI '***@host:5000': expected a scheme in front, such as http://HOST:PORT for a "
        "server or sqlite:///FILE for a database."
    )
