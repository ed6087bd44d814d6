"""Markdown from outside: names that break nothing, and addresses that show nothing private."""

import pytest

from flows.exporting.card_markdown import code, prose, public_address, public_command, table

HOSTILE = [
    "a|b",
    "a\nb",
    "a\r\n---\nlicense: mit",
    "`x`",
    "<script>alert(1)</script>",
    "[a](https://evil)",
    "*bold* _under_ # title",
    "\x1b[2J\u202e\u2028",
    "\ud800",
    "'\": {}[]&!%@",
    "",
    "   ",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", [prose, code])
def test_a_name_stays_in_its_cell(form, name):
    """Its row has as many bars as any other, and is one line of printable characters that UTF-8 can encode."""
    lines = table(["name", "n"], [[form(name), "1"]]).splitlines()
    assert len(lines) == 3
    bars = lines[2].replace("\\\\", "").replace("\\|", "").count("|")
    assert bars == 3
    assert lines[2].isprintable()
    assert lines[2].encode()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_no_markup(name):
    """Neither HTML nor a link nor the end of a code span is in it."""
    for text in (prose(name), code(name)):
        inside = text[1:-1] if text.startswith("`") else text
        assert "`" not in inside.replace("\\`", "")
        if not text.startswith("`"):
            assert "<" not in text
            assert "[" not in text.replace("\\[", "")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("file:///home/somebody/run7/tuned.pt", "tuned.pt"),
        ("/home/somebody/run7/tuned.pt", "tuned.pt"),
        ("FILE:///Users/somebody/tuned.pt", "tuned.pt"),
        ("../../somebody/tuned.pt", "tuned.pt"),
        ("C:\\Users\\somebody\\tuned.pt", "tuned.pt"),
        ("s3://bucket/run7/tuned.pt", "s3://bucket/run7/tuned.pt"),
        ("hf://org/repo/model.safetensors", "hf://org/repo/model.safetensors"),
        ("s3://KEY:SECRET@bucket/tuned.pt", "s3://…@bucket/tuned.pt"),
        ("https://u:p@host/tuned.pt?X-Amz-Signature=abc&X-Amz-Credential=k#f", "https://…@host/tuned.pt"),
        ("s3://bucket/tuned.pt?versionId=1", "s3://bucket/tuned.pt"),
        ("made:ties", "made:ties"),
    ],
)
def test_an_address_shows_nothing_private(address, shown):
    """A local file keeps its name alone; others lose credentials, queries and fragments."""
    assert public_address(address) == shown


def test_a_command_shows_no_folder_of_this_machine():
    """Its options, its patterns and its addresses in buckets stay, and each word is one word for a shell."""
    command = "dawin export '/home/me/my file.yaml' --set=/home/me/x --store s3://b/s?sig=1 -o ~/out --method ties/0.30"
    assert public_command(command) == "dawin export 'my file.yaml' --set=x --store s3://b/s -o out --method ties/0.30"


def test_settings_of_a_command_show_no_folder_either():
    """Neither a value nor a list of addresses in one word."""
    command = (
        "dawin export my.yaml --set models.0.checkpoint=/home/me/a.pt --set 'heads={a: /home/me/h.pt, b: s3://b/h.pt?s=1}'"
        " --set models.1.checkpoint=file:///home/me/b.pt --set=x='/home/J Doe/c.pt'"
    )
    assert public_command(command) == (
        "dawin export my.yaml --set models.0.checkpoint=a.pt --set 'heads={a: h.pt, b: s3://b/h.pt}'"
        " --set models.1.checkpoint=b.pt --set=x=c.pt"
    )


@pytest.mark.parametrize("command", ["dawin export 'open", "dawin 'a\nb' `rm`", ""])
def test_a_strange_command_is_one_line(command):
    """Neither a quotation without an end nor a line break is an error."""
    assert "\n" not in public_command(command)
