"""A resume token is a session and a secret, and nobody but its owner ever sees the secret."""

from hashlib import sha256

from server.gateway.tokens import TOKEN_BYTES, Token, TokenMaker


def test_a_token_names_its_session_and_reads_back() -> None:
    token = TokenMaker().new_session()
    assert len(token.data) == TOKEN_BYTES
    assert Token.parse(token.data) == token, "a client's copy is the token"


def test_the_next_token_of_a_session_has_another_secret() -> None:
    maker = TokenMaker()
    first = maker.new_session()
    second = maker.next_token(first.session)
    assert second.session == first.session
    assert second.secret != first.secret, "a rotation replaces the secret"
    assert len(first.secret) * 8 == 128, "a secret has 128 bits"


def test_shards_keep_only_the_hash() -> None:
    token = TokenMaker().new_session()
    assert token.hash == sha256(token.data).digest()


def test_a_secret_never_shows_in_a_log() -> None:
    token = Token(7, b"very very secret")
    assert "secret" not in repr(token).replace("secret=", ""), "the text form hides it"


def test_what_is_no_token_is_refused() -> None:
    for data in (b"", b"x", bytes(TOKEN_BYTES), b"x" * (TOKEN_BYTES + 1)):
        assert Token.parse(data) is None, f"{data!r} is no token"
