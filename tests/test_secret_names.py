"""Secrets in traffic, found by the names that they go by: in every form of a body and an address, and nothing else."""

import pytest

from voicelab.base.secret_names import (
    body_without_secrets,
    headers_without_secrets,
    secrets_in,
    source_without_secrets,
    without_secrets,
)

SECRET = "Q7zK93xWvAB12"
BODIES = [
    '{"access_token":"S","x":NaN}',
    '\ufeff{"token":"S"}',
    '{"token":"S"}\n{"token":"S"}\n',
    'data: {"token":"S"}\n\n',
    'callback({"token":"S"});',
    '{"token":"S',
    '{"tokens":["S",{"a":"S"}]}',
    '{"secret":{"value":"S"},"a":"b"}',
    r'{"a":"{\"token\":\"S\"}"}',
    r'{"\u0074oken":"S"}',
    '{"next":"https://h/?token=S"}',
    '{"key":"S-12345678"}',
    '{"grant_type":"authorization_code","code":"S"}',
    "grant_type=authorization_code&code=S",
    "password=S&page=1",
    "payload=%7B%22token%22%3A%22S%22%7D",
    '<r><password>S</password><a token="S"/></r>',
    '<w:Password x="1"><![CDATA[S]]></w:Password>',
    '--b\r\nContent-Disposition: form-data; name="password"\r\nContent-Type: text/plain\r\n\r\nS\r\n--b--\r\n',
    *(f'{{"{name}":"S"}}' for name in ("passcode", "pass", "userPin", "pin_code", "otp", "AccountKey", "sid")),
]


@pytest.mark.parametrize("body", BODIES)
def test_every_form_of_a_body_is_masked_in_its_text(body):
    given = body.replace("S", SECRET)
    masked = body_without_secrets(given)
    assert SECRET not in masked
    assert masked != given
    assert any(SECRET in secret for secret in secrets_in("", given))


@pytest.mark.parametrize(
    "address",
    [
        "https://h/a#access_token=S",
        "/final?page=1#access_token=S",
        "https://h/x;token=S",
        "https://h/?%74oken=S",
        "https://h/?u=https%3A%2F%2Fg%2F%3Ftoken%3DS",
        "https://h/?u=https%253A%252F%252Fg%252F%253Ftoken%253DS",
        "https://S-live@h/x",
        "https://S-live:@h/x",
        "https://bob:S@h/x",
        "https://h/back?code=S&state=1",
    ],
)
def test_every_place_of_an_address_is_masked(address):
    given = address.replace("S", SECRET)
    assert SECRET not in without_secrets(given)
    assert any(SECRET in secret for secret in secrets_in(given))


@pytest.mark.parametrize(
    "text",
    [
        '{"max_tokens":"4096","next_page_token":"p2","nextPageToken":"p3","token_type":"Bearer"}',
        '{"usage":{"prompt_tokens":500000,"tokens":700000}}',
        '{"authenticated":true,"author":"A1","key":"Tuesday","code":"PIZZA10","state":"CA","sort_key":"p1"}',
    ],
)
def test_what_is_only_named_alike_stays(text):
    assert body_without_secrets(text) == text
    assert secrets_in("", text) == []


def test_what_stands_beside_a_secret_stays_as_it_was_written():
    body = '{"access_token": "S",  "order":123456789012345678901, "price": 1.10, "pin":4829131}'
    masked = '{"access_token": "••••••",  "order":123456789012345678901, "price": 1.10, "pin":"••••••"}'
    assert body_without_secrets(body) == masked
    assert headers_without_secrets([("Link", "<https://h/?token=S>; rel=next")]) == [
        ("Link", "<https://h/?token=••••••>; rel=next")
    ]


def test_a_line_of_code_is_quoted_without_the_secrets_written_there():
    line = """get("https://h/?api_key=S1&page=2", headers={"Authorization": "Bearer S2", 'X-Api-Key': 'S3'}, token="S4", a="b")"""
    masked = (
        """get("https://h/?api_key=••&page=2", headers={"Authorization": "••", 'X-Api-Key': '••'}, token="••", a="b")"""
    )
    assert source_without_secrets(line) == masked.replace("••", "••••••")
