"""What of a body may be kept."""

import json

import pytest

from sora2api.observe import cut

SECRETS = [
    "sk-abcdefghijklmnop0123",
    "whsec_bm90aGluZyB0byBzZWUgaGVyZQ==",
    "Bearer abcdefghijklmnop",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "http://user:hunter22@proxy.example.org:3128",
    "https://host.example.org/m/AGkhs1Zb7Q2uX0c8n3m4kQ7xA/asset_1.mp4",
]


def kept(value, *, words=True):
    return json.loads(cut.body(value, words=words))


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_cut_wherever_it_stands(secret):
    said = cut.body({"messages": [{"content": f"look at {secret} here"}]}, words=True).decode()

    parts = ("sk-abcdef", "whsec_bm90", "abcdefghijklmnop", "eyJhbGci", "hunter22", "AGkhs1Zb")
    assert not any(part in said for part in parts)
    assert "look at " in said
    assert " here" in said


@pytest.mark.parametrize(
    "name",
    ["authorization", "api_key", "api-key", "signing_secret", "token", "refresh_token", "password", "X-Api-Key"],
)
def test_a_field_that_is_called_a_secret_is_cut(name):
    assert kept({name: "anything"}) == {name: "<cut>"}


def test_a_number_of_tokens_is_no_secret():
    assert kept({"total_tokens": 3, "prompt_tokens": 0}) == {"total_tokens": 3, "prompt_tokens": 0}


def test_files_in_base64_are_named_by_kind_and_size():
    assert kept({"url": "data:video/mp4;base64," + "A" * 4000}) == {"url": "<video/mp4, 3000 bytes>"}
    assert kept({"b64_json": "QUJD" * 1000}) == {"b64_json": "<base64, 3000 bytes>"}


def test_a_long_prompt_is_no_file():
    prompt = "a heron and another heron " * 100

    assert kept({"prompt": prompt}) == {"prompt": prompt}


def test_a_body_is_cut_at_a_size():
    whole = cut.body({"items": ["a heron " * 100 for _ in range(1000)]}, words=True)

    assert len(whole) <= cut.LARGEST_BODY
    assert json.loads(whole).endswith("bytes>")


def test_a_body_of_endless_items_is_looked_at_in_part():
    assert len(kept([0] * 1_000_000)) < 10_000
    assert len(kept({str(number): [0] * 10 for number in range(10_000)})) < 10_000


def test_without_words_only_what_is_no_text_is_left():
    body = {"model": "sora-2", "size": "160x96", "n": 1, "prompt": "a heron", "style": ["heron"], "role": "a heron?"}

    assert kept(body, words=False) == {
        "model": "sora-2",
        "size": "160x96",
        "n": 1,
        "prompt": "<7 characters>",
        "style": ["<5 characters>"],
        "role": "<8 characters>",
    }
