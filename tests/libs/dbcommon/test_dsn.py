"""Connection strings: any password, every accepted form, one clear error for a wrong one, and never a word of the password."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbcommon.dsn import DEFAULT_PORT, DatabaseUrl
from dbcommon.settings_error import SettingsError

NASTY = "p@ss:/w%rd?#[]é "

storable_characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
names = st.text(storable_characters, min_size=1, max_size=40)
host_names = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
socket_folders = st.text(storable_characters, max_size=20).map(lambda text: f"/{text}")
hosts = st.tuples(st.one_of(host_names, addresses, socket_folders), st.integers(1, 65535))
identifiers = st.from_regex(r"[A-Za-z_][A-Za-z0-9_$]{0,62}", fullmatch=True)
plain_urls = st.builds(
    DatabaseUrl,
    user=names,
    password=st.none() | names,
    hosts=st.lists(hosts, min_size=1, max_size=3).map(tuple),
    database=names,
    schema=st.none() | identifiers,
    options=st.fixed_dictionaries(
        {},
        optional={
            "application_name": names,
            "sslmode": st.sampled_from(["disable", "prefer", "verify-full"]),
            "sslrootcert": names,
            "connect_timeout": st.integers(1, 999).map(str),
            "target_session_attrs": st.sampled_from(["any", "read-write"]),
        },
    ),
)


def url_of(password: str | None, **changed: Any) -> DatabaseUrl:
    return DatabaseUrl(
        **{
            "user": "auth_user",
            "password": password,
            "hosts": (("localhost", 5432),),
            "database": "auth_db",
            **changed,
        }
    )


def everything_said_by(error: BaseException) -> str:
    chain: list[str] = []
    link: BaseException | None = error
    while link is not None:
        chain += [str(link), repr(link), repr(link.args)]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return " ".join(chain)


def fault_of(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        DatabaseUrl.parse(text, variable="AUTH_DATABASE_URL")
    return str(caught.value)


@given(url=plain_urls)
def test_what_is_composed_is_read_back(url: DatabaseUrl) -> None:
    assert DatabaseUrl.parse(url.reveal()) == url


@given(password=names, user=names, database=names)
@example(password=NASTY, user=NASTY, database=NASTY)
@example(password="***", user="***", database="***")
@example(password="%41+%2B +", user="a+b", database="50%")
def test_any_user_password_and_database_survive(password: str, user: str, database: str) -> None:
    read = DatabaseUrl.parse(url_of(password, user=user, database=database).reveal())
    assert (read.user, read.password, read.database) == (user, password, database)


@given(url=plain_urls)
def test_the_url_for_libpq_differs_in_the_schema_only(url: DatabaseUrl) -> None:
    read = DatabaseUrl.parse(url.reveal_for_libpq())
    assert (read.schema, read.password, read.options) == (None, url.password, url.options)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "POSTGRESQL"])
def test_three_schemes_mean_the_same(scheme: str) -> None:
    url = DatabaseUrl.parse(f"{scheme}://auth_user:password@shared-postgres:5432/auth_db")
    assert url == url_of("password", hosts=(("shared-postgres", 5432),))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("db", (("db", DEFAULT_PORT),)),
        ("db:", (("db", DEFAULT_PORT),)),
        ("db:6432", (("db", 6432),)),
        ("one:1,two,three:3", (("one", 1), ("two", DEFAULT_PORT), ("three", 3))),
        ("[::1]", (("::1", DEFAULT_PORT),)),
        ("[::1]:6432", (("::1", 6432),)),
        ("[::1]:1,[2001:db8::2]:2", (("::1", 1), ("2001:db8::2", 2))),
        ("db:1,[::1]:2,10.0.0.1", (("db", 1), ("::1", 2), ("10.0.0.1", DEFAULT_PORT))),
        ("%2Fvar%2Frun%2Fpostgresql", (("/var/run/postgresql", DEFAULT_PORT),)),
        ("%2Frun%2Fa%3Ab:6432", (("/run/a:b", 6432),)),
        ("[fe80::1%25eth0]", (("fe80::1%eth0", DEFAULT_PORT),)),
    ],
)
def test_hosts_of_every_kind_are_read(written: str, expected: tuple[tuple[str, int], ...]) -> None:
    url = DatabaseUrl.parse(f"postgresql://u:p@{written}/d")
    assert url.hosts == expected
    assert DatabaseUrl.parse(url.reveal()) == url


def test_characters_that_split_nothing_may_stand_unescaped_in_a_password() -> None:
    assert DatabaseUrl.parse("postgresql://u:a:b[c]d+e℀é=&;,'\"@h/d").password == "a:b[c]d+e℀é=&;,'\""


def test_a_plus_in_an_option_is_a_plus() -> None:
    # libpq knows %20 only; the plus of web forms would spoil a path.
    url = DatabaseUrl.parse("postgresql://u:p@h/d?sslrootcert=/etc/c++/ca.pem&application_name=a%20b")
    assert url.options == {"sslrootcert": "/etc/c++/ca.pem", "application_name": "a b"}


def test_options_reach_the_driver_with_the_meaning_of_libpq() -> None:
    url = DatabaseUrl.parse(
        "postgresql://u:p@one:1,two:2/d?schema=Sales&sslmode=verify-full&sslrootcert=/etc/ca%20x.pem"
        "&connect_timeout=7&application_name=mine&target_session_attrs=read-write"
    )
    arguments = url.connect_arguments(application_name="auth")
    assert arguments == {
        "user": "u",
        "password": "p",
        "host": ["one", "two"],
        "port": [1, 2],
        "database": "d",
        "server_settings": {"application_name": "mine", "search_path": '"Sales"'},
        "dsn": "postgresql://?sslmode=verify-full&sslrootcert=%2Fetc%2Fca%20x.pem",
        "target_session_attrs": "read-write",
        "timeout": 7.0,
    }


def test_without_options_the_service_names_itself_and_sets_nothing_else() -> None:
    arguments = url_of("p").connect_arguments(application_name="auth")
    assert arguments["server_settings"] == {"application_name": "auth"}
    assert {"dsn", "timeout", "target_session_attrs"}.isdisjoint(arguments)


FAULTS = [
    ("mysql://u:p@h/d", "postgresql://"),
    ("u:p@h/d", "postgresql://"),
    ("//u:p@h/d", "postgresql://"),
    ("postgresql:u:p@h/d", "postgresql://"),
    ("", "postgresql://"),
    ("postgresql://", "host"),
    ("postgresql://u:p@/d", "host"),
    ("postgresql://u:p@:5432/d", "host"),
    ("postgresql://u:p@,h/d", "host"),
    ("postgresql://u:p@h1,,h2/d", "host"),
    ("postgresql://:p@h/d", "user"),
    ("postgresql://h/d", "user"),
    ("postgresql://u:p@h", "database"),
    ("postgresql://u:p@h/", "database"),
    ("postgresql://u:p@h/?sslmode=require", "database"),
    ("postgresql://u:p@h:0/d", "port"),
    ("postgresql://u:p@h:65536/d", "port"),
    ("postgresql://u:p@h:five/d", "port"),
    ("postgresql://u:p@h:-1/d", "port"),
    ("postgresql://u:p@h:٣/d", "port"),
    (f"postgresql://u:p@h:{'9' * 5000}/d", "port"),
    ("postgresql://u:p@[::1/d", "host"),
    ("postgresql://u:p@[::1]x/d", "host"),
    ("postgresql://u:p@[::zz]/d", "host"),
    ("postgresql://u:p@a b/d", "white space"),
    ("postgresql://u:p@h/d\n", "white space"),
    ("postgresql://u:p@h/d#x", "%23"),
    ("postgresql://u:p@h/d/e", "%2F"),
    ("postgresql://u:p@x@h/d", "%40"),
    ("postgresql://u:100%@h/d", "%25"),
    ("postgresql://u:50%off@h/d", "%25"),
    ("postgresql://u:%ff@h/d", "UTF-8"),
    ("postgresql://u:p@h/d?schema=a;drop", "schema"),
    ("postgresql://u:p@h/d?schema=", "schema"),
    ("postgresql://u:p@h/d?schema=1a", "schema"),
    ('postgresql://u:p@h/d?schema=a"b', "schema"),
    (f"postgresql://u:p@h/d?schema={'a' * 64}", "schema"),
    ("postgresql://u:p@h/d?sslmod=require", "sslmod"),
    ("postgresql://u:p@h/d?sslmode=maybe", "sslmode"),
    ("postgresql://u:p@h/d?sslmode=", "sslmode"),
    ("postgresql://u:p@h/d?sslmode=require&sslmode=disable", "sslmode"),
    ("postgresql://u:p@h/d?sslmode=require&sslm%6fde=disable", "sslmode"),
    ("postgresql://u:p@h/d?sslmode", "name=value"),
    ("postgresql://u:p@h/d?sslmode=require&", "name=value"),
    ("postgresql://u:p@h/d?=x", "name=value"),
    ("postgresql://u:p@h/d?target_session_attrs=any-will-do", "target_session_attrs"),
    ("postgresql://u:p@h/d?connect_timeout=soon", "connect_timeout"),
    ("postgresql://u:p@h/d?connect_timeout=0", "connect_timeout"),
    ("postgresql://u:p@h/d?connect_timeout=-1", "connect_timeout"),
    (f"postgresql://u:p@h/d?connect_timeout={'9' * 5000}", "connect_timeout"),
    ("postgresql://u:p@h/d?host=other", "host"),
    ("postgresql://u%00:p@h/d", "NUL"),
    ("postgresql://u:p%00@h/d", "NUL"),
    ("postgresql://u:p@h/d%00", "NUL"),
    ("postgresql://u:p@h%00/d", "NUL"),
    ("postgresql://u:p@h/d?application_name=a%00b", "NUL"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_wrong_url_is_one_clear_error_that_names_the_variable(text: str, fault: str) -> None:
    message = fault_of(text)
    assert message.startswith("AUTH_DATABASE_URL: ")
    assert "\n" not in message
    assert fault in message


@pytest.mark.parametrize("text", [text for text, _ in FAULTS if ":p@" in text])
def test_a_wrong_url_does_not_show_its_password(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        DatabaseUrl.parse(text.replace(":p@", ":hunter2-is-secret@"))
    assert "hunter2" not in everything_said_by(caught.value)


# Characters that no message of ours uses, between those that cut a URL into pieces.
cutting = st.text(st.sampled_from("@:/?#[]%&=+, 17"), max_size=6)
unescaped_passwords = st.lists(cutting, min_size=2, max_size=5).map("Qj".join)


@given(password=unescaped_passwords, form=st.sampled_from(range(6)))
@example(password="12/Qj", form=1)
@example(password="12/Qj?Qj=1", form=1)
@example(password="12?sslmode=Qj", form=1)
@example(password="1?Qj=Qj", form=1)
@example(password="1/x?schema=Qj", form=1)
@example(password="1/Qj", form=2)
@example(password="Qj://", form=5)
@example(password="Qj:1", form=5)
def test_an_unescaped_password_never_shows(password: str, form: int) -> None:
    text = [
        f"postgresql://auth_user:{password}@localhost:5432/auth_db",
        f"postgresql://auth@user:{password}@localhost:5432/auth_db",
        f"postgresql://auth_user:{password}",
        f"postgresql://auth_user:{password}@localhost/auth_db?schema=public",
        f"auth_user:{password}@localhost/auth_db",
        password,
    ][form]
    try:
        url = DatabaseUrl.parse(text)
    except SettingsError as error:
        said = everything_said_by(error)
    else:
        said = f"{url} {url!r}"
    assert "Qj" not in said


@given(password=st.text(storable_characters, min_size=12, max_size=30))
@example(password=NASTY)
def test_a_password_is_three_stars_wherever_a_url_is_printed(password: str) -> None:
    url = url_of(password)
    for shown in (str(url), repr(url), f"{url}", repr({"url": url}), repr([url])):
        assert password not in shown
        assert quote(password, safe="") not in shown
        assert ":***@" in shown


def test_the_key_file_password_is_hidden_like_the_other() -> None:
    url = url_of("first-secret", options={"sslpassword": "second-secret", "sslkey": "/k"})
    for shown in (str(url), repr(url)):
        assert "secret" not in shown
        assert "sslkey" in shown
    assert DatabaseUrl.parse(url.reveal()) == url


def test_a_url_without_a_password_does_not_pretend_to_have_one() -> None:
    assert str(url_of(None)) == "postgresql://auth_user@localhost:5432/auth_db"


@pytest.mark.parametrize("part", ["user", "password", "database"])
@pytest.mark.parametrize("text", ["half a pair \udc80", "a NUL \x00 inside"])
def test_text_that_the_server_cannot_take_is_refused_when_it_is_given(part: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        url_of(**{"password": "p", part: f"canary {text}"})
    assert "canary" not in everything_said_by(caught.value)


@pytest.mark.parametrize("host", ["", "a b", "a,b", "u@h", "a/b", "a?b", "a:5432", "postgresql://h", "[::1]"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="host"):
        url_of("p", hosts=((host, 5432),))
