"""Access tokens that no service may accept: forged, damaged, or meant for something else.

Each service is tried with all of them. Those that an attacker can make are made in that way; those that need the key are
signed with it, so that the tested rule refuses them and not a bad signature.
"""

import hmac
import json
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.raw_tokens import (
    GOOD_HEADER,
    ORDER,
    decode,
    encode,
    sign_ecdsa,
    sign_text,
    to_json,
    with_signature,
)
from tests.tokens import KEY_ID, TokenMint

Named = Iterator[tuple[str, str]]


def forged_tokens(mint: TokenMint) -> list[tuple[str, str]]:
    """Names and tokens; every one must be answered with 401 by a service that accepts the tokens of `mint`."""
    families = (_algorithms, _headers, _kids, _times, _claims, _profiles, _signatures, _shapes, _encodings)
    return [named for family in families for named in family(mint)]


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    """The header of a request with `token`, whatever characters it contains."""
    return [(b"authorization", b"Bearer " + token.encode("utf-8", "surrogatepass"))]


def _signed(
    mint: TokenMint, claims: Mapping[str, Any] | None = None, *, header: dict[str, Any] | None = None
) -> str:
    payload = mint.claims() | dict(claims or {})
    return sign_text(mint, header=to_json(GOOD_HEADER | (header or {})), payload=to_json(payload))


def _algorithms(mint: TokenMint) -> Named:
    payload = to_json(mint.claims(roles=("admin",)))
    for name in ("none", "None", "NONE", "nOnE", ""):
        for signature in ("", encode(bytes(64))):
            head = encode(to_json(GOOD_HEADER | {"alg": name}))
            yield f"alg {name!r}, signature {signature[:1]!r}", f"{head}.{encode(payload)}.{signature}"
    yield from _hmac_with_public_key(mint, payload)
    strange_rsa = rsa.generate_private_key(65537, 2048)
    p256, p384, p521 = (
        ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
    )
    edwards = ed25519.Ed25519PrivateKey.generate()
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    signers = {
        "RS256": lambda signed: strange_rsa.sign(signed, padding.PKCS1v15(), hashes.SHA256()),
        "PS256": lambda signed: strange_rsa.sign(signed, pss, hashes.SHA256()),
        "ES384": lambda signed: sign_ecdsa(p384, signed, hashes.SHA384(), size=48),
        "ES512": lambda signed: sign_ecdsa(p521, signed, hashes.SHA512(), size=66),
        "EdDSA": edwards.sign,
    }
    for algorithm, signer in signers.items():
        header = to_json(GOOD_HEADER | {"alg": algorithm})
        yield f"{algorithm} of a strange key", with_signature(header, payload, signer)
        yield f"ES256 signed by {algorithm}", with_signature(to_json(GOOD_HEADER), payload, signer)
    strange = with_signature(
        to_json(GOOD_HEADER), payload, lambda signed: sign_ecdsa(p256, signed, hashes.SHA256(), size=32)
    )
    yield "ES256 of a strange key", strange


def _hmac_with_public_key(mint: TokenMint, payload: bytes) -> Named:
    public = serialization.load_pem_public_key(mint.public_pem)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    secrets = {
        "PEM": mint.public_pem,
        "PEM without its last line end": mint.public_pem.strip(),
        "DER": der,
        "JWK": json.dumps(mint.public_jwk).encode(),
        "JWK, compact": to_json(mint.public_jwk),
        "the JWK's x": str(mint.public_jwk["x"]).encode(),
        "nothing": b"",
    }
    for name, secret in secrets.items():
        for size in (256, 384, 512):
            header = to_json(GOOD_HEADER | {"alg": f"HS{size}"})
            signer = partial(hmac.digest, secret, digest=f"sha{size}")
            yield f"HS{size} with {name} of the public key", with_signature(header, payload, signer)


def _headers(mint: TokenMint) -> Named:
    yield "jwk of a strange key", _with_own_jwk(mint)
    link = "https://attacker.example/keys"
    additions: dict[str, Any] = {
        "jku": link,
        "x5u": link,
        "x5c": ["MIIB"],
        "x5t": "abc",
        "jwk": mint.public_jwk,
        "crit": ["exp"],
        "empty crit": [],
        "cty": "JWT",
        "zip": "DEF",
        "b64": False,
        "enc": "A128GCM",
        "nonce": "x",
    }
    for name, value in additions.items():
        yield f"{name} in the header", _signed(mint, header={name.split()[-1]: value})
    yield "crit that names an unknown extension", _signed(mint, header={"crit": ["exp2"], "exp2": 1})
    for typ in ("JWT", "jwt", "AT+JWT", "id+jwt", "logout+jwt", "", None, ["at+jwt"], 1):
        yield f"typ {typ!r}", _signed(mint, header={"typ": typ})
    for algorithm in (None, ["ES256"], 256, "es256", "ES256 ", "ES384", "HS256"):
        yield f"alg {algorithm!r} over a good signature", _signed(mint, header={"alg": algorithm})
    for name in GOOD_HEADER:
        header = {key: value for key, value in GOOD_HEADER.items() if key != name}
        yield f"no {name}", sign_text(mint, header=to_json(header), payload=to_json(mint.claims()))


def _with_own_jwk(mint: TokenMint) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    own = {"kty": "EC", "crv": "P-256"} | {
        name: encode(value.to_bytes(32, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))
    }
    header = to_json(GOOD_HEADER | {"jwk": own})
    return with_signature(
        header, to_json(mint.claims()), lambda signed: sign_ecdsa(key, signed, hashes.SHA256(), size=32)
    )


def _kids(mint: TokenMint) -> Named:
    kids: list[Any] = [
        *(
            "",
            "unknown",
            "../../../../etc/passwd",
            "/dev/null",
            "file:///dev/null",
            "' OR '1'='1",
            "x' UNION SELECT 'k",
        ),
        *(
            "a\x00b",
            f"{KEY_ID}\x00",
            f"{KEY_ID}\n",
            f" {KEY_ID}",
            KEY_ID.upper(),
            "ключ",
            "\ud800",
            "k" * 65,
            "k" * 400,
        ),
        *(None, 0, 1.5, True, [KEY_ID], {"kid": KEY_ID}, "${jndi:ldap://x}", "`id`"),
    ]
    for kid in kids:
        yield (
            f"kid {str(kid)[:30]!r} ({type(kid).__name__}, {len(str(kid))})",
            _signed(mint, header={"kid": kid}),
        )


def _times(mint: TokenMint) -> Named:
    now = int(time.time())
    yield "expired a second ago", _signed(mint, {"exp": now - 1})
    yield "expired long ago", _signed(mint, {"exp": now - 10_000, "iat": now - 20_000, "nbf": now - 20_000})
    yield "not valid before next hour", _signed(mint, {"nbf": now + 3600})
    odd: list[Any] = [
        *(
            now + 900.5,
            10**30,
            2**63,
            -1,
            0,
            str(now + 900),
            f"{now + 900}.0",
            "",
            "tomorrow",
            True,
            False,
            None,
        ),
        *([now + 900], {"exp": now + 900}, float("nan"), float("inf"), float("-inf")),
    ]
    for value in odd:
        yield f"exp {value!r}", _signed(mint, {"exp": value})
    for name in ("iat", "nbf", "auth_time"):
        for value in (str(now), now + 0.5, True, None, [now], float("nan"), float("inf"), -1):
            yield f"{name} {value!r}", _signed(mint, {name: value})
    header, payload = to_json(GOOD_HEADER), to_json(mint.claims())
    for digits in (b"1e400", b"9" * 5000):
        exp = json.loads(payload)["exp"]
        spelt = payload.replace(f'"exp":{exp}'.encode(), b'"exp":' + digits)
        yield f"exp spelt {digits[:5]!r}", sign_text(mint, header=header, payload=spelt)


def _claims(mint: TokenMint) -> Named:
    for name in ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "auth_time"):
        yield (
            f"without {name}",
            sign_text(
                mint,
                header=to_json(GOOD_HEADER),
                payload=to_json({key: value for key, value in mint.claims().items() if key != name}),
            ),
        )
    for audience in (*("other", "", "quartet ", "QUARTET"), ["quartet"], ["quartet", "other"], [], None, 7):
        yield f"aud {audience!r}", _signed(mint, {"aud": audience})
    issuer = mint.issuer.issuer
    for other in (
        *("https://attacker.example", f"{issuer}/", issuer.upper(), f"{issuer}@x", ""),
        None,
        [issuer],
    ):
        yield f"iss {other!r}", _signed(mint, {"iss": other})
    truncated = str(uuid4())[:-1]
    for name in ("sub", "sid"):
        for value in (*("", "admin", "0", "../" * 9, "\ud800", "\x00", truncated), 1, None, [str(uuid4())]):
            yield f"{name} {value!r}", _signed(mint, {name: value})
    for roles in ("admin", {"admin": True}, ["admin", 1], [["admin"]], [None], None, 1, True):
        yield f"roles {roles!r}", _signed(mint, {"roles": roles})


def _profiles(mint: TokenMint) -> Named:
    for name in ("email", "username"):
        for value in (1, ["a@example.com"], {"a": 1}, True, "half \ud800 a pair", "a NUL \x00"):
            yield f"{name} {value!r}", _signed(mint, {name: value})
    jtis: tuple[Any, ...] = (1, None, [], {})
    for value in jtis:
        yield f"jti {value!r}", _signed(mint, {"jti": value})
    now, issuer = int(time.time()), mint.issuer.issuer
    identity = {
        "iss": issuer,
        "sub": str(uuid4()),
        "aud": "videovault-web",
        "exp": now + 900,
        "iat": now,
        "nonce": "n",
    }
    yield (
        "an ID token",
        sign_text(mint, header=to_json(GOOD_HEADER | {"typ": "JWT"}), payload=to_json(identity)),
    )
    yield (
        "an ID token called an access token",
        sign_text(mint, header=to_json(GOOD_HEADER), payload=to_json(identity | {"aud": "quartet"})),
    )


def _signatures(mint: TokenMint) -> Named:
    good = mint.token()
    head, payload, signature = good.split(".")
    raw = decode(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    key = serialization.load_pem_private_key(mint.private_pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    der = key.sign(f"{head}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    spoilt = {
        "a flipped bit": raw[:-1] + bytes([raw[-1] ^ 1]),
        "zeros": bytes(64),
        "r = 0": bytes(32) + raw[32:],
        "s = 0": raw[:32] + bytes(32),
        "r = n": ORDER.to_bytes(32, "big") + raw[32:],
        "s = n": raw[:32] + ORDER.to_bytes(32, "big"),
        "all ones": b"\xff" * 64,
        "r and s exchanged": raw[32:] + raw[:32],
        "DER": der,
        "DER of the same numbers": encode_dss_signature(r, s),
        "a byte short": raw[:-1],
        "a byte long": raw + b"\0",
        "a leading zero": b"\0" + raw,
        "of 65 bytes each": bytes(33) + raw[:32] + bytes(33) + raw[32:],
        "one byte": b"\x01",
    }
    for name, value in spoilt.items():
        yield f"signature: {name}", f"{head}.{payload}.{encode(value)}"
    yield "signature of another token", f"{head}.{payload}.{mint.token().split('.')[2]}"
    yield "no signature", f"{head}.{payload}."
    # The last of 86 characters holds two bits; the other four are unused, and a lenient decoder drops them.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    yield "signature with unused bits set", good[:-1] + alphabet[alphabet.index(good[-1]) + 1]
    altered = encode(to_json(json.loads(decode(payload)) | {"roles": ["admin"]}))
    yield "claims changed under a good signature", f"{head}.{altered}.{signature}"
    yield (
        "header changed under a good signature",
        f"{encode(to_json({'kid': KEY_ID} | GOOD_HEADER))}A.{payload}.{signature}",
    )


def _shapes(mint: TokenMint) -> Named:
    good = mint.token()
    head, payload, signature = good.split(".")
    yield from {
        "empty": "",
        "a word": "token",
        "opaque, as a refresh token is": "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0",
        "dots": "...",
        "two dots": "..",
        "two segments": f"{head}.{payload}",
        "four segments": f"{good}.{signature}",
        "five segments, as encrypted ones have": f"{head}.{payload}.{signature}.{signature}.{signature}",
        "truncated in the signature": good[:-10],
        "truncated in the claims": good[: len(head) + len(payload) // 2],
        "an empty header": f".{payload}.{signature}",
        "empty claims": f"{head}..{signature}",
        "twice": good + good,
        "the JSON form": json.dumps({"protected": head, "payload": payload, "signature": signature}),
        "in quotes": f'"{good}"',
        "another scheme inside": f"Bearer {good}",
        "two tokens": f"{good}, {good}",
        "a space inside": f"{head}. {payload}.{signature}",
        "a line end": f"{good}\n",
        "a carriage return inside": f"{head}\r\n.{payload}.{signature}",
        "a NUL at the end": f"{good}\0",
    }.items()
    for place in range(3):
        parts = good.split(".")
        parts[place] += "="
        yield f"padding in segment {place + 1}", ".".join(parts)
        parts[place] = parts[place][:-1] + "$%"
        yield f"characters outside of base64url in segment {place + 1}", ".".join(parts)
    yield "of 100 kB", _signed(mint, {"filler": "x" * 100_000})
    yield "just over the limit", _signed(mint, {"filler": "x" * 6000})
    yield "a long header", _signed(mint, header={"typ": "at+jwt" + " " * 600})


def _encodings(mint: TokenMint) -> Named:
    good = mint.token()
    header, payload = to_json(GOOD_HEADER), to_json(mint.claims())
    yield "a letter outside of ASCII", good + "é"
    yield "digits outside of ASCII", good.replace(".", ".٣", 1)
    yield "half a surrogate pair", good + "\ud800"
    yield "a full-width dot", good.replace(".", "．")  # noqa: RUF001 - that it looks like a dot is the point
    for depth in (1000, 2000):
        deep = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        yield f"claims {depth} levels deep", sign_text(mint, header=header, payload=deep)
        yield f"header {depth} levels deep", sign_text(mint, header=deep, payload=payload)
        yield f"claims {depth} levels deep, unsigned", f"{encode(header)}.{encode(deep)}.{'A' * 86}"
    now = int(time.time())
    doubles = {
        "exp": f'"exp":{now - 5},'.encode(),
        "aud": b'"aud":"other",',
        "sub": b'"sub":"x",',
        "roles": b'"roles":["admin"],',
    }
    for name, double in doubles.items():
        twice = b"{" + double + payload[1:]
        yield f"{name} twice", sign_text(mint, header=header, payload=twice)
    yield "alg twice", sign_text(mint, header=b'{"alg":"none",' + header[1:], payload=payload)
    yield "kid twice", sign_text(mint, header=b'{"kid":"other",' + header[1:], payload=payload)
    for name, spoilt in {
        "in UTF-16": payload.decode().encode("utf-16"),
        "with a byte order mark": b"\xef\xbb\xbf" + payload,
        "not UTF-8": payload.replace(b"@example", b"\xff\xfe"),
        "not JSON": b"{'sub': 1}",
        "cut off": payload[:-1],
        "an array": b"[" + payload + b"]",
        "a text": b'"sub"',
        "a number": b"1",
        "null": b"null",
        "an empty object": b"{}",
        "two objects": payload + payload,
    }.items():
        yield f"claims {name}", sign_text(mint, header=header, payload=spoilt)
    for name, spoilt in {
        "an array": b"[]",
        "null": b"null",
        "a text": b'"alg"',
        "not JSON": b"alg=ES256",
    }.items():
        yield f"header {name}", sign_text(mint, header=spoilt, payload=payload)
